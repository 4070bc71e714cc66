"""What libraries would draw on the screen, if they were not asked to be quiet."""

import os

QUIET = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Switches progress bars off, whose drawings would fill the log."""


def quiet_libraries() -> None:
    """Ask for no progress bars; before the libraries are imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)

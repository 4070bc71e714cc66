"""Keeps libraries from drawing progress bars on the screen."""

import os

QUIET = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment variables that switch off progress bars, which would fill the log."""


def quiet_libraries() -> None:
    """Switch off progress bars; to be called before the libraries are imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)

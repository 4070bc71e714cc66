"""Where models run."""

import warnings

from icot_tui.errors import UserError


def pick_device(wanted: str) -> str:
    """The device that `wanted` (auto, cpu, cuda or mps) stands for on this machine.

    Raises:
        UserError: it is unknown, or not available here.
    """
    import torch

    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if wanted not in available:
        raise UserError(f"device '{wanted}' is unknown: choose auto, cpu, cuda or mps")
    if not available[wanted]:
        raise UserError(f"device '{wanted}' is not available on this machine: use auto or cpu")
    return wanted


def silence_transformers() -> None:
    """Turn off the progress bars and warnings of transformers."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    # PEFT asks transformers for what it now calls otherwise.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

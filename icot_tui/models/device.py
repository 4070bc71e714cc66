"""Where models run."""

import os
import warnings

from icot_tui.errors import UserError

THREADS_A_CORE = 8
"""CPU threads at most: beyond that, starting them alone takes seconds, and each step, too."""


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


def usable_cores() -> int:
    """CPU cores that this process may use."""
    every = not hasattr(os, "sched_getaffinity")
    return (os.cpu_count() or 1) if every else len(os.sched_getaffinity(0))


def set_threads(count: int) -> None:
    """Let PyTorch use so many CPU threads; 0: its own choice.

    Raises:
        UserError: they are far more than the cores.
    """
    import torch

    cores = usable_cores()
    if count > (most := THREADS_A_CORE * cores):
        raise UserError(
            f"train.threads is {count}, but {cores} CPU core{'s' * (cores > 1)} can be used here: "
            f"set it to {most} or less, or to 0 for PyTorch's own choice"
        )
    if count:
        torch.set_num_threads(count)


def silence_transformers() -> None:
    """Turn off the progress bars and warnings of transformers."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    # PEFT asks transformers for what it now calls otherwise.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

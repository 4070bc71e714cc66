"""Where a command works: --device."""

from icot_tui.errors import UserError


def pick_device(wanted: str) -> str:
    """The device that --device names.

    Raises:
        UserError: there is no such one here.
    """
    import torch

    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if wanted not in there:
        raise UserError(f"--device {wanted} is unknown: give auto, cpu, cuda or mps")
    if not there[wanted]:
        raise UserError(f"--device is '{wanted}', but there is none: use 'auto' or 'cpu'")
    return wanted

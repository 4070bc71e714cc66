"""Runs of four short trainings, and what they leave."""

from icot_tui.config import RunConfig
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, load_tensors
from tests.tiny import read_lines, tiny

STEPS = 6


def distilled(**sections) -> RunConfig:
    """The tiny config as a run of four short trainings."""
    sections = {
        "method": {"name": "distillation"},
        "distillation": {"mixture_components": 2},
        "model": {"layers": 2},
        "checkpoints": {"keep": 1000, "every_steps": 1},
    } | sections
    limits = {"max_steps": STEPS, "decay_steps": 2, "warmup_steps": 1}
    sections["train"] = limits | sections.get("train", {})
    sections["evaluation"] = {"every_steps": 4, "samples": 4}
    return tiny(**sections)


def all_tensors(folder):
    """Everything in the newest checkpoint."""
    path = list_checkpoints(folder.checkpoints)[-1].path
    found = {}
    for file in sorted(path.rglob("*.safetensors")):
        prefix = str(file.relative_to(path))
        found |= {f"{prefix}/{name}": value for name, value in load_tensors(file).items()}
    return found


def last_state(folder):
    state = list_checkpoints(folder.checkpoints)[-1].state()
    state["run"].pop("seconds")
    return state


def lines_of(folder, event):
    return [line for line in read_lines(folder) if line["event"] == event]

"""A study so small that a test can run it whole."""

from pathlib import Path

import tomli_w

from icot_tui.studies.spec import LoadedStudy, load_study
from tests.tiny import TINY

BASE = {key: value for key, value in TINY.items() if key != "name"} | {
    "train": TINY["train"] | {"max_steps": 30},
    "evaluation": {"every_steps": 15, "samples": 0},
    "checkpoints": {"keep": 2, "keep_every_stages": 1, "before_removal": True},
    "data": TINY["data"] | {"test_examples": 10},
    "model": TINY["model"] | {"positions": 64},
}

SMALL = """
name = "small"
title = "Two methods"
source = "nowhere, Table 1"

[vary.method."No CoT"]
method.name = "no_cot"

[vary.method."ICoT-SI"]

[scales.cpu]
base = "tiny.toml"
minutes = 0.5
seeds = [0]

[report]
measures = ["exact_match", "speed", "steps", "steps_to_internalize", "tokens_internalized"]

[plot]
kind = "curves"
"""


def write_study(folder: Path, text: str = SMALL) -> Path:
    """A study's file, with its base beside it."""
    (folder / "tiny.toml").write_text(tomli_w.dumps(BASE))
    path = folder / "small.toml"
    path.write_text(text)
    return path


def small(folder: Path, text: str = SMALL) -> LoadedStudy:
    """The same, loaded."""
    return load_study(write_study(folder, text))

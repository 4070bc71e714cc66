"""A run so small that a test can train it whole, with every feature that could go wrong in it."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from icot_tui.config import RunConfig, check_run
from icot_tui.engine.checkpoints.checkpoint import OPTIMIZER, list_checkpoints, load_tensors
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import run_training

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {
        "task": "multiplication",
        "options": {"digits": "2x2"},
        "separator": "eos",
        "train_examples": 50,
        "validation_examples": 20,
    },
    "model": {"layers": 1, "heads": 2, "width": 16, "dropout": 0.1},
    "curriculum": {
        "schedule": "loss_gated",
        "gate_loss": 3.2,
        "gate_window": 3,
        "min_steps": 2,
        "max_steps": 3,
        "smoothing": 1.0,
    },
    "train": {
        "max_steps": 30,
        "batch_size": 8,
        "micro_batch_size": 3,
        "learning_rate": 1e-2,
        "warmup_steps": 2,
        "restart_warmup": True,
        "decay_steps": 5,
        "observe_every": 4,
        "device": "cpu",
        "threads": 1,
    },
    "evaluation": {"every_steps": 7, "samples": 4},
    "checkpoints": {"keep": 1000},
}

UNSTEADY = {"time", "seconds", "bytes", "effect", "id"}
"""Fields that differ from run to run by nature."""


def byte_pair_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of GPT-2's kind that only joins a blank with what follows."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    joins = [("Ġ", letter) for letter in letters]
    pieces = [*letters, *map("".join, joins)]
    core = Tokenizer(BPE({piece: number for number, piece in enumerate(pieces)}, joins))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")


def tiny(**sections: Any) -> RunConfig:
    """The tiny config with some values changed, section by section."""
    merged = {
        key: value | sections.get(key, {}) if isinstance(value, dict) else sections.get(key, value)
        for key, value in TINY.items()
    }
    return check_run(sections | merged)


def train(folder: RunFolder, commands: CommandQueue | None = None, listen=None):
    """Train (or resume) a run in this process."""
    return run_training(folder, commands or CommandQueue(folder.control), listen)


def train_new(runs: Path, config: RunConfig, commands: CommandQueue | None = None, listen=None):
    """A new run, trained; its folder."""
    folder = create_run(config, runs)
    train(folder, commands, listen)
    return folder


def final_tensors(folder: RunFolder) -> dict[str, torch.Tensor]:
    """Weights and optimizer state of the newest checkpoint."""
    path = list_checkpoints(folder.checkpoints)[-1].path
    moments = {f"optimizer/{k}": v for k, v in load_tensors(path / OPTIMIZER).items()}
    return load_tensors(path / "model.safetensors") | moments


def final_state(folder: RunFolder) -> dict[str, Any]:
    """The rest of the newest checkpoint, without times."""
    state = list_checkpoints(folder.checkpoints)[-1].state()
    state["run"].pop("seconds")
    return state


def news(folder: RunFolder, leave_out: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What stands in the journal, without times and without resumes."""
    events = [event for _, event in effective(JournalReader(folder.journal).events())]
    lines: list[dict[str, Any]] = [msgspec.to_builtins(event) for event in events]
    return [
        {key: value for key, value in line.items() if key not in UNSTEADY}
        for line in lines
        if line["event"] not in ("RunResumed", *leave_out)
    ]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different, different


def copy_until(step: int, run: RunFolder, path: Path) -> RunFolder:
    """A copy of a run without the checkpoints after a step."""
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns("lock"))
    copy = RunFolder(path)
    for checkpoint in list_checkpoints(copy.checkpoints):
        if checkpoint.step > step:
            shutil.rmtree(checkpoint.path)
    return copy


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    """Weights, optimizer, state and journal, bit for bit."""
    assert_same(final_tensors(one), final_tensors(other))
    assert final_state(one) == final_state(other)
    assert news(one) == news(other)


def read_lines(folder: RunFolder) -> list[dict[str, Any]]:
    """Every line of the journal."""
    return [json.loads(line) for line in folder.journal.read_text().splitlines()]

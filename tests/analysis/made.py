"""Run folders with models made by hand, whose hidden content is known."""

from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.config import RunConfig, SpikeConfig, check_run
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.schedule import Fixed
from icot_tui.data.load import load_data
from icot_tui.engine.checkpoints.checkpoint import checkpoint_name, write_checkpoint
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.spikes import SpikeDetector
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run


def make_config(**sections: Any) -> RunConfig:
    """A run on 2×2-digit products with kept positions, unless told otherwise."""
    plain: dict[str, Any] = {
        "name": "made",
        "data": {
            "task": "multiplication",
            "options": {"digits": "2x2"},
            "train_examples": 500,
            "validation_examples": 400,
        },
        "model": {"layers": 2, "heads": 2, "width": 32},
        "curriculum": {"keep_positions": True},
        "train": {"max_steps": 1, "device": "cpu", "threads": 1},
    }
    merged = {
        key: value | sections.get(key, {}) if isinstance(value, dict) else sections.get(key, value)
        for key, value in plain.items()
    }
    return check_run(sections | merged)


def state_at(stage: int, step: int = 0) -> dict[str, Any]:
    """The training state of a checkpoint that was written so early."""
    curriculum = Curriculum(Fixed(stage), stage)
    return {
        "run": RunState(step=step).as_json(),
        "curriculum": curriculum.state(),
        "spikes": SpikeDetector(SpikeConfig()).state(),
    }


def make_run(runs: Path, config: RunConfig) -> RunFolder:
    """A run folder without checkpoints."""
    return create_run(config, runs)


def random_model(config: RunConfig, seed: int = 0, scale: float = 1.0) -> GPT2LMHeadModel:
    """GPT-2 with random weights, larger ones than usual by `scale`."""
    from icot_tui.models.build import build_model

    data = load_data(config.data)
    positions = data.train.max_length
    model = build_model(config.model, len(data.tokenizer), data.separator_id, positions, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale if parameter.ndim > 1 else 1)
    return model


def add_checkpoint(
    run: RunFolder, config: RunConfig, model: torch.nn.Module, stage: int, step: int = 0
) -> Path:
    """Write a model as a checkpoint of the run."""
    tokenizer = load_data(config.data).tokenizer

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    name = checkpoint_name(step, 0)
    write_checkpoint(run.checkpoints, name, state_at(stage, step), write, 0)
    return run.checkpoints / name


def blank_gpt2(
    vocabulary: int, separator: int, layers: int, heads: int, width: int, positions: int
) -> GPT2LMHeadModel:
    """GPT-2 with all weights 0 and a plain ReLU, to be wired by hand."""
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        n_inner=4 * width,
        activation_function="relu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=separator,
        eos_token_id=separator,
        tie_word_embeddings=False,
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "ln_" not in name:
                parameter.zero_()
    return model

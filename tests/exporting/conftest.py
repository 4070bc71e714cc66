"""Short runs, whose models write answers, right or wrong, at every stage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icot_tui.cli.app import run
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from tests.tiny import TINY, byte_pair_tokenizer, tiny, train_new

STEPS = 120
"""Until the layout of an answer is learnt."""
STAGES = (0, 4, 8)
SIZES = {"layers": 1, "heads": 2, "width": 32}
Train = Callable[..., dict[int, Path]]


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a run, once for each set of options: its checkpoints by stage."""
    known: dict[str, dict[int, Path]] = {}

    def train(
        separator: str,
        kept: bool = False,
        tokenizer: str = "character",
        seed: int = 0,
        **model: Any,
    ) -> dict[int, Path]:
        key = repr((separator, kept, tokenizer, seed, model))
        if key not in known:
            stages = [{"stage": stage, "steps": STEPS} for stage in STAGES]
            folder = train_new(
                tmp_path_factory.mktemp("runs"),
                tiny(
                    name="demo",
                    seed=seed,
                    data=TINY["data"]
                    | {
                        "train_examples": 2000,
                        "validation_examples": 200,
                        "separator": separator,
                        "tokenizer": tokenizer,
                    },
                    model=model if "pretrained" in model else SIZES | model,
                    curriculum={
                        "schedule": "stages",
                        "smoothing": "inf",
                        "keep_positions": kept,
                        "stages": stages,
                    },
                    train={
                        "max_steps": len(STAGES) * STEPS,
                        "batch_size": 32,
                        "micro_batch_size": 32,
                        "decay_steps": 0,
                        "restart_warmup": False,
                    },
                    evaluation={"every_steps": STEPS, "samples": 0},
                    checkpoints={"keep": 100},
                ),
            )
            known[key] = {one.stage: one.path for one in list_checkpoints(folder.checkpoints)}
            assert set(known[key]) == set(STAGES)
        return known[key]

    return train


@pytest.fixture(scope="package")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer of byte pairs."""
    folder = tmp_path_factory.mktemp("words")
    byte_pair_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command: the error's sentence, or nothing."""

    def exported(checkpoint: Path, to: str, out: Path, *more: str, status: int = 0) -> str:
        words = ["export", str(checkpoint), "--to", to, "--out", str(out), *more]
        assert run(words) == status, capsys.readouterr().err
        return capsys.readouterr().err

    return exported

"""`export_checkpoint`: what the command does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from icot_tui.exporting.source import read_source

Program = Literal["hf", "gguf", "lm-eval"]


@dataclass(frozen=True)
class Proof:
    """Held-out questions that the export answered as icot-tui does, and how many it got right.

    `notes` are those on the checkpoint, as of `OpenedCheckpoint`.
    """

    questions: int
    correct: int
    notes: tuple[str, ...]


def export_checkpoint(
    path: Path,
    to: Program,
    out: Path,
    *,
    data: Path | None = None,
    questions: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Proof:
    """Write a checkpoint for another program, which must answer as icot-tui does.

    Args:
        path: the checkpoint's folder, or a run's.
        to: transformers, llama.cpp, or EleutherAI's harness.
        out: the new folder; nothing of it is left when something goes wrong.
        data: a file of held-out examples; None: the run's.
        questions: how many of them to ask; None: all.
        say: is told what goes on.

    Raises:
        UserError: it can't be done, can't be written, or the answers differ.
    """
    source = read_source(path, data, questions)
    proof = Proof(len(source.texts), source.correct, source.opened.notes)
    say(f"writing it, and asking it {proof.questions:,} questions")
    if to == "hf":
        from icot_tui.exporting.hf import export_hf as write
    elif to == "gguf":
        from icot_tui.exporting.gguf import export_gguf as write
    else:
        from icot_tui.exporting.harness import export_task as write
    write(source, out)
    return proof

"""`icot-tui export`: a checkpoint for other programs, proven before it is put in place."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

from icot_tui.cli.console import console, print_error, print_json, spinner
from icot_tui.cli.options import Checkpoint, Data, Json, examples
from icot_tui.engine.run_folder import runs_folder
from icot_tui.formatting import plain, short_percent
from icot_tui.models.device import silence_transformers

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui export demo@best --to hf --out exported",
    "icot-tui export demo@best --to gguf --out exported-gguf",
    "icot-tui export demo@best --to lm-eval --out task",
    "icot-tui export demo@best --to hf --out exported --push me/my-model",
)


@app.command(epilog=EXAMPLES)
def export(
    checkpoint: Checkpoint,
    to: Annotated[
        Literal["hf", "gguf", "lm-eval"],
        Option(help="transformers; llama.cpp; a task of EleutherAI's harness."),
    ],
    out: Annotated[Path, Option(help="The new folder.")],
    data: Data = None,
    questions: Annotated[
        int | None, Option(min=200, help="Prove it with so many examples only (default: all).")
    ] = None,
    push: Annotated[
        str | None, Option(metavar="NAME", help="Then upload it to the hub, as OWNER/NAME.")
    ] = None,
    json: Json = False,
) -> None:
    """Export a checkpoint to other programs.

    The program that it is for loads the export and answers held-out questions. Only if all answers
    equal icot-tui's own is the folder put in place; otherwise the first difference is named, and
    nothing is left.
    """
    from icot_tui.analysis.checkpoints import find_checkpoint
    from icot_tui.exporting.export import export_checkpoint

    silence_transformers()
    with spinner("reading the examples") as say:
        path = find_checkpoint(checkpoint, runs_folder())
        result = export_checkpoint(path, to, out, data=data, questions=questions, say=say)
        if push is not None:
            from icot_tui.exporting.push import push_folder

            say(f"uploading to {push}")
            address = push_folder(out, push, "dataset" if to == "lm-eval" else "model")
    for note in result.notes:
        print_error(f"note: {note}")
    if json:
        found = {"path": out, "questions": result.questions, "correct": result.correct}
        print_json(found | ({} if push is None else {"pushed": address}))
        return
    share = result.correct / result.questions
    lines = [
        f"written {plain(str(out))}: {result.questions:,} held-out questions answered as icot-tui "
        f"does, {result.correct:,} of them right ({short_percent(share)})"
    ]
    if push is not None:
        lines.append(f"uploaded to {plain(address)}")
    for line in lines:
        console().print(line, soft_wrap=True)

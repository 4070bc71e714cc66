"""`icot-tui import`: the papers' released checkpoints as ordinary folders."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  icot-tui import downloads/9_by_9_mult_gpt2 --out models/icot-9x9

  icot-tui import kd/student --emulator kd/emulator --base ./gpt2 --tokenizer ./gpt2 --out pair
"""


@app.command(epilog=EXAMPLES)
def import_checkpoint(
    folder: Annotated[
        Path,
        typer.Argument(help="With config.json and state_dict.bin, or student and emulator in it."),
    ],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    base: Annotated[
        str | None,
        typer.Option(help="Folder or hub name of the architecture (default: what it names)."),
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder or hub name (default: what it names).")
    ] = None,
    emulator: Annotated[
        Path | None, typer.Option(help="ICoT-KD: the emulator to couple with the student.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Turn a published ICoT-SI or ICoT-KD checkpoint into an ordinary folder.

    Pickles are read without running anything in them. What is missing, unknown or of another
    shape is listed, and then nothing is written. Of ICoT-KD, the teacher, the student, the
    emulator, or student and emulator together can be imported; only a pair answers questions.
    Give --base and --tokenizer where the hub that config.json names can't be reached. Published
    models read numbers in reverse order and with blanks: icot-tui ask OUT '2 1 * 4 3' is 12*34.
    """
    from transformers.utils import logging

    from icot_tui.cli.console import console, print_json
    from icot_tui.engine.checkpoints.published_import import import_published
    from icot_tui.plain import plain

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    imported = import_published(folder, out, base, tokenizer, emulator)
    if json:
        print_json(
            {
                "path": str(imported.path),
                "kind": imported.kind,
                "parameters": imported.parameters,
            }
        )
        return
    where = plain(str(imported.path))
    lines = [f"{imported.kind}, {imported.parameters:,} parameters, written to {where}"]
    if imported.kind == "pair":
        lines.append(f"measure it    icot-tui eval {where} --data FILE")
    elif imported.kind == "language model":
        lines.append(f"measure it    icot-tui eval {where} --data FILE --stage REMOVED_TOKENS")
        lines.append(f"train it on   icot-tui train CONFIG --set model.pretrained={where}")
        lines.append(f"teach by it   --set distillation.from_teacher={where}")
    else:
        lines.append(f"build on it   --set distillation.from_{imported.kind}={where}")
    for line in lines:
        console().print(line, soft_wrap=True)

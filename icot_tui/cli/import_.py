"""`icot-tui import`: the papers' released checkpoints as ordinary folders."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.console import console, print_json
from icot_tui.cli.options import Json, examples
from icot_tui.formatting import plain
from icot_tui.models.device import silence_transformers

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui import downloads/9_by_9_mult_gpt2 --out models/icot-9x9",
    "icot-tui import coconut/checkpoint_33 --base ./gpt2 --tokenizer ./gpt2 --out models/coconut",
    "icot-tui import kd/student --emulator kd/emulator --base ./gpt2 --tokenizer ./gpt2 --out pair",
)


@app.command(epilog=EXAMPLES)
def import_checkpoint(
    folder: Annotated[
        Path, Argument(help="Its folder, its file of weights, or one with student and emulator.")
    ],
    out: Annotated[Path, Option(help="The new folder.")],
    base: Annotated[
        str | None, Option(help="Folder or hub name of the base model (default: config.json's).")
    ] = None,
    tokenizer: Annotated[
        str | None, Option(help="Folder or hub name (default: config.json's).")
    ] = None,
    emulator: Annotated[
        Path | None, Option(help="ICoT-KD: the emulator to couple with the student.")
    ] = None,
    lora_alpha: Annotated[
        float | None, Option(help="CODI, SIM-CoT: alpha of the adapters, which isn't saved.")
    ] = None,
    json: Json = False,
) -> None:
    """Turn a published checkpoint into an ordinary folder.

    Known are those of ICoT-SI, ICoT-KD, Coconut, CODI and SIM-CoT. Pickles are read without running
    anything in them. Missing, unknown or misshapen weights are listed, and then nothing is written.
    Of ICoT-KD, the teacher, the student, the emulator, or student and emulator together can be
    imported; only the pair answers questions. Of Coconut, CODI and SIM-CoT it is the language
    model, with its larger vocabulary and its adapters merged; other modules are named and left out.
    Give --base and --tokenizer where no config.json names them, or the hub can't be reached.
    Published models of multiplication read digits in reverse order, separated by blanks:
    icot-tui ask OUT '2 1 * 4 3' is 12*34.
    """
    from icot_tui.runs.published_import import import_published

    silence_transformers()
    imported = import_published(
        folder, out, base=base, tokenizer=tokenizer, emulator=emulator, alpha=lora_alpha
    )
    kind, parameters = imported.kind, imported.parameters
    if json:
        found = {"path": out, "kind": kind, "parameters": parameters}
        print_json(found | {"left_out": list(imported.left_out)})
        return
    where = plain(str(out))
    lines = [f"{kind}, {parameters:,} parameters, written to {where}"]
    lines += [f"left out      {part}" for part in imported.left_out]
    if kind == "pair":
        lines.append(f"evaluate      icot-tui eval {where} --data FILE")
    elif kind == "language model":
        lines.append(f"evaluate      icot-tui eval {where} --data FILE --stage REMOVED_TOKENS")
        lines.append(f"train on it   icot-tui train CONFIG --set model.pretrained={where}")
        lines.append(f"as a teacher  --set distillation.from_teacher={where}")
    else:
        lines.append(f"build on it   --set distillation.from_{kind}={where}")
    for line in lines:
        console().print(line, soft_wrap=True)

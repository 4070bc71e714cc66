"""`icot-tui runs export`: runs for other programs, and a model card for one."""

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from icot_tui.cli.options import Runs, SeveralRuns
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import plain

Format = Literal["csv", "parquet", "tensorboard", "card"]

EXAMPLES = """
Examples:

  icot-tui runs export demo demo-no-cot --format csv > runs.csv

  icot-tui runs export demo --format tensorboard --out boards

  icot-tui runs export demo --format card --out README.md
"""


def export(
    names: SeveralRuns,
    kind: Annotated[
        str, typer.Option("--format", help="csv, parquet, tensorboard or card (Markdown).")
    ] = "csv",
    out: Annotated[
        Path | None,
        typer.Option(help="File, or folder for tensorboard (csv, card: standard output)."),
    ] = None,
    runs: Runs = None,
) -> None:
    """Export every step and evaluation of runs to other programs, or write a model card."""
    from icot_tui.studies import exporting
    from icot_tui.studies.exporting import model_card

    if kind not in get_args(Format):
        raise UserError(f"--format must be one of {', '.join(get_args(Format))}, not '{kind}'")
    if out is None and kind in ("parquet", "tensorboard"):
        raise UserError(f"--format {kind} needs --out")
    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    if kind == "tensorboard":
        assert out is not None
        exporting.write_tensorboard(folders, out)
    elif kind == "parquet":
        assert out is not None
        exporting.write_parquet(folders, out)
    elif kind == "csv":
        exporting.write_csv(folders, out)
    else:
        if len(folders) > 1:
            raise UserError("a model card is about one run: name one")
        text = model_card(folders[0])
        if out is None:
            print(text, end="")
            return
        exporting.write_text(out, text)
    if out is not None:
        print(plain(f"written {out}"))

"""Arguments and options that several commands share."""

import json
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from icot_tui.errors import UserError

RemovalSide = Literal["left", "right"]
HeldOutSplit = Literal["validation", "test", "ood"]
Config = Annotated[str, Argument(help="A TOML file, or the name of a sample such as demo.")]
Overrides = Annotated[
    list[str] | None,
    Option("--set", metavar="SECTION.KEY=VALUE", help="Override a value; repeatable."),
]
RunName = Annotated[str | None, Option("--name", help="Name of the run's folder.")]
Runs = Annotated[
    Path | None, Option("--runs", help="Folder with the runs (default: $ICOT_TUI_RUNS, or runs).")
]
Run = Annotated[str | None, Argument(help="Name or folder of a run (default: the latest one).")]
SeveralRuns = Annotated[list[str], Argument(metavar="RUN...", help="Names or folders of runs.")]
Checkpoint = Annotated[
    str,
    Argument(
        metavar="CHECKPOINT_OR_RUN", help="A run, RUN@best, RUN@STAGE, or a checkpoint's folder."
    ),
]
Stage = Annotated[
    int | None, Option(min=0, help="Number of removed tokens or steps (default: the checkpoint's).")
]
Side = Annotated[
    RemovalSide | None,
    Option(help="Side of removal, of a checkpoint that doesn't say it itself."),
]
KeepPositions = Annotated[
    bool | None,
    Option(
        "--keep-positions/--close-positions",
        help="Position ids after removal, of a checkpoint that doesn't say it itself.",
    ),
]
Budgets = Annotated[
    str | None,
    Option(
        metavar="N,N,...",
        help="Chain-of-thought tokens (or steps) to try one after another, before the whole chain "
        "(default: 0,1,2,4,8,...).",
    ),
]
Data = Annotated[
    Path | None, Option(help="File with examples (default: the run's held-out examples).")
]
Device = Annotated[str, Option(help="auto, cpu, cuda or mps.")]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
JournalJson = Annotated[
    bool, Option("--json", help="Print the journal: one line of JSON per event.")
]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Print only the run's folder and its result.")]
Theme = Annotated[
    str | None, Option(help="Name of a theme (default: your settings, or $ICOT_TUI_THEME).")
]
Ascii = Annotated[bool, Option("--ascii", help="Draw with ASCII characters only.")]
LowBandwidth = Annotated[
    bool, Option("--low-bandwidth", help="For slow links: at most two redraws a second.")
]


def read_budgets(text: str) -> list[int]:
    """The numbers of `--budgets`.

    Raises:
        UserError: there is something else in it.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(f"--budgets takes whole numbers such as 0,2,4, not '{text}'")
    return [int(part) for part in parts]


def examples(*commands: str, note: str = "") -> str:
    """The end of a command's help."""
    lines = ("\nExamples:", *(f"  {command}" for command in commands), note)
    return "\n\n".join(filter(None, lines))


def all_overrides(overrides: list[str] | None, name: str | None) -> list[str]:
    """The values of --set, with --name as one of them."""
    return [*(overrides or ()), *([] if name is None else [f"name={json.dumps(name)}"])]

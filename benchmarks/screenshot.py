"""The pictures in the README: the live screen, the playground's hidden positions, a plot of runs.

    python benchmarks/screenshot.py RUN [--step 1400] [--size 120x36] [--theme night]
        [--to docs/screenshot.svg]
    python benchmarks/screenshot.py RUN --ask "12*34" --token z7 --size 100x29 --to docs/hidden.svg
    python benchmarks/screenshot.py RUN --plot CONTROL --size 100x22 --to docs/plot.svg

RUN is a run folder. Its journal up to the step is copied to a run of the same name in a temporary
folder, moved in time to end now, and looked at as `icot-tui attach --control` does. With a
question, its best checkpoint answers in `icot-tui play`, and the probes of a token are shown,
which `icot-tui probe RUN@best` must have trained before. With a control, `icot-tui runs plot`
draws both in a terminal of that size.
"""

import argparse
import asyncio
import io
import json
import os
import pty
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from textual.pilot import Pilot

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.play.app import PlayApp
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import RunFollower

REDRAW_SECONDS = 0.5
LOOKS = 8
"""Redraws before the picture: the processor's load is known from the second reading on."""


def as_of(run: Path, step: int | None, runs: Path) -> RunFolder:
    """The run as it stood when so many steps were done, as if that were now, with a trainer."""
    folder = runs / run.name
    folder.mkdir()
    locked = RunFolder(folder)
    locked.lock()
    for name in ("checkpoints", "control"):
        (folder / name).mkdir()
    shutil.copy(run / "config.toml", folder)
    shutil.copytree(run / "samples", folder / "samples")
    events = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    events = [event for event in events if step is None or event["step"] <= step]
    late = time.time() - events[-1]["time"]
    with (folder / "journal.jsonl").open("w") as journal:
        for event in events:
            journal.write(json.dumps(event | {"time": event["time"] + late}) + "\n")
    return locked


async def picture(folder: RunFolder, size: tuple[int, int], theme: str) -> str:
    """The screen as SVG."""
    state = UserState(path=folder.path.parent / "screen.json")
    state.theme = theme
    app = WorkbenchApp(
        None, RunFollower(folder), Options(runs=folder.path.parent, control=True), state
    )
    async with app.run_test(size=size) as pilot:
        await _settled(app, pilot)
        return app.export_screenshot(title="icot-tui")


async def inside(run: Path, question: str, token: str, size: tuple[int, int], theme: str) -> str:
    """The probes of a hidden token as SVG."""
    with tempfile.TemporaryDirectory() as remembered:
        state = UserState(path=Path(remembered) / "screen.json")
        state.theme = theme
        names = [f"{run.name}@best"]
        app = PlayApp(Options(runs=run.parent), names, state, question=question)
        async with app.run_test(size=size) as pilot:
            answers = app.play.answers
            while not answers.results:
                await pilot.pause(REDRAW_SECONDS)
            await pilot.press("escape", "1")
            while answers.chosen is None or answers.chosen.name != token:
                before = answers.chosen
                await pilot.press(">")
                await pilot.pause(REDRAW_SECONDS)
                if answers.chosen == before:
                    raise SystemExit(f"there is no token {token}")
            await pilot.pause(LOOKS * REDRAW_SECONDS)
            return app.export_screenshot(title="icot-tui play")


def plot(run: Path, control: Path, size: tuple[int, int]) -> str:
    """What `icot-tui runs plot` draws in a terminal, as SVG."""
    width, height = size
    words = ["runs", "plot", run.name, control.name, "--log"]
    shape = ["--width", str(width), "--height", str(height)]
    os.environ["ICOT_TUI_RUNS"] = str(run.parent)
    drawn = bytearray()

    def read(terminal: int) -> bytes:
        data = os.read(terminal, 4096)
        drawn.extend(data)
        return data

    if pty.spawn([sys.executable, "-m", "icot_tui", *words, *shape], read):
        raise SystemExit("the plot failed")
    console = Console(width=width, record=True, file=io.StringIO(), color_system="truecolor")
    console.print(Text.from_ansi(drawn.decode().replace("\r\n", "\n")), soft_wrap=True)
    return console.export_svg(title=f"icot-tui {' '.join(words)}", theme=MONOKAI)


async def _settled(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
    looks = 0
    while looks < LOOKS:
        await pilot.pause(REDRAW_SECONDS)
        looks += app.view is not None and app.view.source.caught_up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--step", type=int)
    parser.add_argument("--size", default="120x36")
    parser.add_argument("--theme", default="night")
    parser.add_argument("--ask", metavar="QUESTION")
    parser.add_argument("--token", default="z1")
    parser.add_argument("--plot", metavar="CONTROL", type=Path)
    parser.add_argument("--to", type=Path, default=Path("docs/screenshot.svg"))
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    size, theme = (width, height), arguments.theme
    if arguments.plot:
        svg = plot(arguments.run, arguments.plot, size)
    elif arguments.ask:
        svg = asyncio.run(inside(arguments.run, arguments.ask, arguments.token, size, theme))
    else:
        with tempfile.TemporaryDirectory() as runs:
            folder = as_of(arguments.run, arguments.step, Path(runs))
            svg = asyncio.run(picture(folder, size, theme))
            folder.unlock()
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    arguments.to.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

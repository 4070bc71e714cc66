"""`icot-tui attach --once`: one frame of the live screen as text."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import Event, ExampleShown, RunEnded
from icot_tui.tui.actions.table import PANEL_IDS
from tests.cli.terminal import in_terminal
from tests.events import STARTED, evaluated, removed, trained
from tests.watch.runs import make

UNNEEDED = {
    "icot_tui.data.splits",
    "icot_tui.studies.trial_list",
    "icot_tui.tui.play.screen",
    "icot_tui.tui.screens.runs",
    "numpy.ma",
    "urllib.request",
}
Output = pytest.CaptureFixture[str]
HISTORY: list[Event] = [
    STARTED,
    ExampleShown(
        step=0, input=["3"], cot=list("abcdefgh"), answer=["####", "4"], removal_order=[*range(8)]
    ),
    trained(60, losses=[0.5] * 60),
    evaluated(60, 0.25),
    removed(60, 1),
    RunEnded(step=60, reason="done", finished=True),
]


@pytest.fixture(autouse=True)
def one(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(runs.parent / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(runs.parent / "config"))
    return make(runs, "one", HISTORY).path


def frame(capsys: Output, *arguments: str) -> list[str]:
    assert run(["attach", "one", "--once", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_screen_in_any_size(one: Path, capsys: Output) -> None:
    before = {path: path.stat().st_mtime_ns for path in one.rglob("*")}
    lines = frame(capsys)
    assert [cell_len(line) for line in lines] == [120] * 36
    assert lines[0].startswith(" one · finished · stage 1 of 8 · exact match 25.0 %")
    assert "watching" not in lines[0]  # nothing goes on
    assert all(any(f"─ {panel} ─" in line for line in lines) for panel in PANEL_IDS)
    assert "\x1b" not in "".join(lines)
    small = frame(capsys, "--size", "60x22", "--ascii")
    assert [cell_len(line) for line in small] == [60] * 22
    assert "".join(small).isascii()
    assert {path: path.stat().st_mtime_ns for path in one.rglob("*")} == before
    assert not (one.parents[1] / "state").exists()


@pytest.mark.parametrize("panel", ["removal", "log"])
def test_one_panel(capsys: Output, panel: str) -> None:
    lines = frame(capsys, "--panel", panel, "--size", "30x6")
    assert [cell_len(line) for line in lines] == [30] * 6
    assert lines[0].startswith(f"╭─ {panel} ─")
    assert lines[-1].startswith("╰─")


def test_the_loss_panel_is_the_loss_alone(capsys: Output) -> None:
    lines = frame(capsys, "--panel", "loss", "--size", "80x40")
    assert [cell_len(line) for line in lines] == [80] * 40
    assert sum("└" in line for line in lines) == 1  # one chart
    text = "".join(lines)
    assert "exact match" not in text and "gradient norm" not in text


def test_a_terminal_gets_colours_and_its_size() -> None:
    status, shown = in_terminal("attach", "one", "--once", "--theme", "night")
    assert status == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).split("\r\n")[:-1]
    assert [cell_len(line) for line in lines] == [100] * 29
    assert "\x1b[1;" in shown or "\x1b[38;" in shown


def test_text_without_colours_shows_what_is_removed(capsys: Output) -> None:
    lines = frame(capsys, "--panel", "removal")
    assert lines[1].startswith("│ stage 1 of 8")  # no digits drawn over three rows
    reasoning = next(line for line in lines if line.startswith("│ reasoning"))
    assert reasoning.split()[2:4] == ["·", "b"]  # gone, written: the run has ended


@pytest.mark.slow
def test_no_study_is_imported_for_a_frame_of_a_run(one: Path) -> None:
    """It must be there at once: what only other screens need costs a fifth of its time."""
    code = (
        "import sys; from icot_tui.cli.app import run; "
        f"assert run(['attach', {str(one)!r}, '--once']) == 0; "
        f"print(sorted({UNNEEDED} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--once", "--control"], "leave out --control and --replay"),
        (["--panel", "loss"], "--panel and --size are for --once"),
        (["--once", "--panel", "lost"], "--panel must be one of removal, loss, accuracy"),
        (["--once", "--size", "big"], "such as 120x36, not 'big'"),
        (["--once", "--size", "40x20"], "the screen needs 50x20 cells or more, not 40x20"),
        (["--once", "--panel", "loss", "--size", "40x4"], "a panel needs 16x5 cells or more"),
    ],
)
def test_what_makes_no_frame_is_told(capsys: Output, arguments: list[str], sentence: str) -> None:
    assert run(["attach", "one", *arguments]) == 2
    assert sentence in capsys.readouterr().err

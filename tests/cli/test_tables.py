"""Tables on a terminal, and what is wrong with how a command was called."""

import io

import pytest
from rich.console import Console

from icot_tui.cli import console
from icot_tui.cli.app import run

ROWS = [["first-run", "finished", "a long note on what was seen", "3 h ago"], ["b", "dead", "", ""]]
HEADERS = ["run", "status", "note", "began"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "headings", "left_out"),
    [
        (80, "run status note began", None),
        (40, "run status began", "note"),
        (24, "run status", "note, began"),
    ],
)
def test_a_narrow_terminal_has_each_row_in_a_line(
    monkeypatch: pytest.MonkeyPatch, width: int, headings: str, left_out: str | None
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr(
        console, "console", lambda: Console(file=terminal, width=width, color_system=None)
    )
    console.print_table(HEADERS, ROWS, dispensable=["note", "began"])
    lines = [line for line in terminal.getvalue().splitlines() if line.strip()]
    heading, _, first, second, *told = lines
    assert " ".join(heading.split()) == headings
    assert first.split()[:2] == ["first-run", "finished"]
    assert second.split()[:2] == ["b", "dead"]
    assert told == ([] if left_out is None else [f"Left out, for want of room: {left_out}"])


def test_a_wrong_choice_is_told_in_our_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "plot", "demo", "--y", "exact-match"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: Invalid value for '--y': 'exact-match' is not one of 'loss',")

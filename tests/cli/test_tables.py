"""Tables on a terminal, and what is wrong with how a command was called."""

import io
from collections.abc import Sequence
from typing import Any

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
    text = drawn(monkeypatch, width, HEADERS, ROWS, dispensable=["note", "began"])
    lines = [line for line in text.splitlines() if line.strip()]
    heading, _, first, second, *told = lines
    assert " ".join(heading.split()) == headings
    assert first.split()[:2] == ["first-run", "finished"]
    assert second.split()[:2] == ["b", "dead"]
    assert told == ([] if left_out is None else [f"Left out, for want of room: {left_out}"])


def test_a_wrong_choice_is_told_in_our_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "plot", "demo", "--y", "exact-match"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: Invalid value for '--y': 'exact-match' is not one of 'loss',")


def drawn(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    **options: Any,
) -> str:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr(
        console, "console", lambda: Console(file=terminal, width=width, color_system=None)
    )
    console.print_table(headers, rows, **options)
    return terminal.getvalue()


@pytest.mark.parametrize("width", [24, 40, 80, 120])
@pytest.mark.parametrize("columns", [2, 5, 12, 31])
def test_columns_that_do_not_fit_go_below_and_no_word_is_cut(
    monkeypatch: pytest.MonkeyPatch, width: int, columns: int
) -> None:
    headers = ["what", *(f"column-{place}" for place in range(1, columns))]
    rows = [[f"row-{row}", *(f"{row}.{place:03}" for place in range(1, columns))] for row in "ab"]
    text = drawn(monkeypatch, width, headers, rows)
    words = text.split()
    assert "…" not in text
    assert {word for row in (headers, *rows) for word in row} <= set(words)
    assert words.count("what") == words.count("row-a") == words.count("row-b")
    assert all(len(line.rstrip()) <= width for line in text.splitlines())


def test_words_longer_than_a_line_are_folded_and_sentences_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, sentence = "n" * 50, "a sentence that is broken where its words end, as one reads it"
    text = drawn(monkeypatch, 40, ["name", "about"], [[name, sentence]])
    assert "…" not in text
    assert "".join(text.split()).count("n") >= 50
    assert "about" in text and "sentence" in text.split()

"""Answers and heat maps to take along: copied, and written to files."""

import json
from typing import TYPE_CHECKING, Any

from icot_tui.tui.actions.export import copy_text, save_files
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.panels.text import UNICODE, text_of
from icot_tui.tui.play.answer_lines import answer_lines
from icot_tui.tui.play.heat_map import HeatMap, as_text

if TYPE_CHECKING:
    from icot_tui.tui.play.screen import PlayScreen

WIDTH = 100


def copy_answers(screen: "PlayScreen") -> None:
    """Copy what is on the screen, as plain text."""
    if screen.answers.results:
        copy_text(screen.app, _words(screen), "answers")
    else:
        notify_user(screen, "There is no answer to copy yet.")


def write_answers(screen: "PlayScreen") -> None:
    """Write what is on the screen, as plain text and as JSON."""
    if screen.answers.results:
        values = json.dumps(_values(screen), indent=1) + "\n"
        files = [("answers", "txt", _words(screen)), ("answers", "json", values)]
        save_files(screen.app, "answers", files)
    else:
        notify_user(screen, "There is no answer to write yet.")


def _heat(screen: "PlayScreen") -> HeatMap | None:
    return screen.hidden.heat if screen.inspector.is_open else None


def _words(screen: "PlayScreen") -> str:
    lines = [screen.asker.text]
    for result in screen.answers.results:
        lines += ["", *map(text_of, answer_lines(result, WIDTH, UNICODE))]
    heat = _heat(screen)
    if heat is not None:
        lines += ["", as_text(heat)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _values(screen: "PlayScreen") -> dict[str, Any]:
    """Answers are as `icot-tui ask --json` prints them."""
    answers = [
        {"checkpoint": result.entry.label, "path": str(result.entry.path)} | result.as_json()
        for result in screen.answers.results
    ]
    found: dict[str, Any] = {"question": screen.asker.text, "answers": answers}
    heat = _heat(screen)
    if heat is not None:
        values = [[v if v == v else None for v in row] for row in heat.values.tolist()]
        found["heat_map"] = {
            "title": heat.title,
            "rows": heat.rows,
            "columns": heat.columns,
            "values": values,
            "marks": heat.marks,
            "words": heat.captions,
        }
    return found

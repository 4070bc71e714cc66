"""Answers and heat maps to take along: copied, and written to files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual.app import App

from icot_tui.tui.actions.export import copy_text, save_files
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.panels.text import UNICODE, text_of
from icot_tui.tui.play.answer_lines import answer_lines
from icot_tui.tui.play.heat_map import HeatMap, as_text
from icot_tui.tui.play.records import AskResult

WIDTH = 100


@dataclass(frozen=True)
class ShownAnswers:
    """A question, what the checkpoints answered, and the heat map beside it."""

    question: str
    results: Sequence[AskResult]
    heat: HeatMap | None


def copy_answers(app: App[Any], shown: ShownAnswers) -> None:
    """Copy what is on the screen, as plain text."""
    if shown.results:
        copy_text(app, _words(shown), "answers")
    else:
        notify_user(app, "There is no answer to copy yet.")


def write_answers(app: App[Any], shown: ShownAnswers) -> None:
    """Write what is on the screen, as plain text and as JSON."""
    if shown.results:
        values = json.dumps(_values(shown), indent=1) + "\n"
        files = [("answers", "txt", _words(shown)), ("answers", "json", values)]
        save_files(app, "answers", files)
    else:
        notify_user(app, "There is no answer to write yet.")


def _words(shown: ShownAnswers) -> str:
    lines = [shown.question]
    for result in shown.results:
        lines += ["", *map(text_of, answer_lines(result, WIDTH, UNICODE))]
    heat = shown.heat
    if heat is not None:
        lines += ["", as_text(heat)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _values(shown: ShownAnswers) -> dict[str, Any]:
    """Answers are as `icot-tui ask --json` prints them."""
    answers = [
        {"checkpoint": result.entry.label, "path": str(result.entry.path)} | result.as_json()
        for result in shown.results
    ]
    found: dict[str, Any] = {"question": shown.question, "answers": answers}
    heat = shown.heat
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

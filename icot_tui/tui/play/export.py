"""Answers and heat maps to take along: copied, and written to files."""

import json
from collections.abc import Sequence
from typing import Any

from icot_tui.tui.actions.export import copy_text, save_files, save_screenshot
from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.panels.text import UNICODE, text_of
from icot_tui.tui.play.answer_lines import answer_lines
from icot_tui.tui.play.asker import Asker
from icot_tui.tui.play.context import PlayContext
from icot_tui.tui.play.heat_map import HeatMap, as_text
from icot_tui.tui.play.records import AskResult

WIDTH = 100


def as_words(text: str, results: Sequence[AskResult], heat: HeatMap | None) -> str:
    """What is on the screen, as plain text."""
    lines = [text]
    for result in results:
        lines += ["", *map(text_of, answer_lines(result, WIDTH, UNICODE))]
    if heat is not None:
        lines += ["", as_text(heat)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_values(text: str, results: Sequence[AskResult], heat: HeatMap | None) -> dict[str, Any]:
    """The same as plain values; answers as `icot-tui ask --json` prints them."""
    answers = [
        {"checkpoint": result.entry.label, "path": str(result.entry.path)} | result.as_json()
        for result in results
    ]
    found: dict[str, Any] = {"question": text, "answers": answers}
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


class PlayExport:
    """Copies and writes what is on the screen."""

    def __init__(self, context: PlayContext, asker: Asker) -> None:
        self._context = context
        self._asker = asker

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {
            "copy": self._copy,
            "export": self._export,
            "screenshot": lambda: save_screenshot(self._context.screen.app),
        }

    def _heat(self) -> HeatMap | None:
        return self._context.hidden.heat if self._context.looking else None

    def _copy(self) -> None:
        results = self._context.answers.results
        if not results:
            self._context.notify("There is no answer to copy yet.")
            return
        text = as_words(self._asker.text, results, self._heat())
        copy_text(self._context.screen.app, text, "answers")

    def _export(self) -> None:
        results = self._context.answers.results
        if not results:
            self._context.notify("There is no answer to write yet.")
            return
        shown = self._asker.text, results, self._heat()
        values = json.dumps(as_values(*shown), indent=1) + "\n"
        files = [("answers", "txt", as_words(*shown)), ("answers", "json", values)]
        save_files(self._context.screen.app, "answers", files)

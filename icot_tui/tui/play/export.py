"""Answers and heat maps to take along: copied, and written to files whose path is told."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from icot_tui.tui.actions.export import keep
from icot_tui.tui.panels.text import UNICODE, text_of
from icot_tui.tui.play.answer_lines import answer_lines
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


def write(
    folders: list[Path], text: str, results: Sequence[AskResult], heat: HeatMap | None
) -> list[Path]:
    """Write text and JSON.

    Raises:
        OSError: no folder takes them.
    """
    values = json.dumps(as_values(text, results, heat), indent=1) + "\n"
    return [
        keep(folders, "answers", "txt", as_words(text, results, heat)),
        keep(folders, "answers", "json", values),
    ]

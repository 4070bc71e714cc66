"""Answers and heat maps to take along: copied, and written to files whose path is told."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from icot_tui.tui.actions.export import keep
from icot_tui.tui.panels.text import UNICODE, text_of
from icot_tui.tui.play.answers import answer_lines
from icot_tui.tui.play.heat import HeatMap, as_text
from icot_tui.tui.play.messages import Outcome

WIDTH = 100


def as_words(text: str, outcomes: Sequence[Outcome], heat: HeatMap | None) -> str:
    """What is on the screen, as plain text."""
    lines = [text]
    for outcome in outcomes:
        lines += ["", *map(text_of, answer_lines(outcome, WIDTH, UNICODE))]
    if heat is not None:
        lines += ["", as_text(heat)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_values(text: str, outcomes: Sequence[Outcome], heat: HeatMap | None) -> dict[str, Any]:
    """The same as plain values; answers as `icot-tui ask --json` prints them."""
    from icot_tui.analysis.answer import as_json

    answers = [
        {"checkpoint": outcome.listed.label, "path": str(outcome.listed.path)}
        | ({"problem": outcome.problem} if outcome.answer is None else as_json(outcome.answer))
        for outcome in outcomes
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
            "words": heat.words,
        }
    return found


def write(
    folders: list[Path], text: str, outcomes: Sequence[Outcome], heat: HeatMap | None
) -> list[Path]:
    """Write text and JSON.

    Raises:
        OSError: no folder takes them.
    """
    values = json.dumps(as_values(text, outcomes, heat), indent=1) + "\n"
    return [
        keep(folders, "answers", "txt", as_words(text, outcomes, heat)),
        keep(folders, "answers", "json", values),
    ]

"""A study's results as files: table, figure, and what they cost and were made with."""

import contextlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.studies.collect import Collected
from icot_tui.studies.exporting import write_text
from icot_tui.studies.figure import Drawing, make_drawing, write_figures
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Plan
from icot_tui.studies.runner import TrialStatus
from icot_tui.studies.table import Table, as_data, comma_separated, make_table, markdown

_BEST = "Exact match is that of the best checkpoint on the validation examples, evaluated on "
EVALUATED_ON = {
    "trial": f"{_BEST}the test examples, or on the same ones without a test split.",
    "checkpoint": (
        "Exact match is that of the newest checkpoint kept of each stage, and with everything "
        "removed of the best one on the validation examples, evaluated on the test examples, or on "
        "the validation examples without a test split."
    ),
    "data": (
        f"{_BEST}the validation examples of each data set; where it does not differ from the run's "
        "own, on the test examples, if there are any."
    ),
}
"""Which checkpoint was evaluated on which examples, by report.per."""
FIGURES = ("figure.svg", "figure.png")
PACKAGES = ("icot-tui", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Results:
    """What a study found, and the files that say so; `problem` is why there is no figure file."""

    table: Table
    drawing: Drawing | None
    facts: dict[str, Any]
    files: tuple[Path, ...]
    problem: str = ""


def write_results(
    plan: Plan, folder: StudyFolder, statuses: list[TrialStatus], collected: Collected
) -> Results:
    """Write results.json, table.md, table.csv and the figures into the study folder.

    Raises:
        UserError: they can't be written.
    """
    table = make_table(collected.rows, plan.study.config.report)
    drawing = make_drawing(plan, collected, table)
    facts = _facts(plan, folder, statuses, collected)
    content = facts | {
        "table": as_data(table),
        "notes": list(table.notes),
        "rows": [asdict(row) | {"labels": dict(row.labels)} for row in collected.rows],
        "figure": None if drawing is None else asdict(drawing),
    }
    texts = {
        "results.json": json.dumps(content, indent=1) + "\n",
        "table.md": _document(plan, table, facts),
        "table.csv": comma_separated(table),
    }
    for name, text in texts.items():
        write_text(folder.path / name, text)
    figures, problem = _figures(drawing, folder.path)
    files = (*(folder.path / name for name in texts), *figures)
    return Results(table, drawing, facts, files, problem)


def _figures(drawing: Drawing | None, folder: Path) -> tuple[list[Path], str]:
    """The figure's files, or why there are none; then old ones are removed."""
    problem = ""
    if drawing is not None:
        try:
            return write_figures(drawing, folder), ""
        except UserError as error:
            problem = str(error)
    for name in FIGURES:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    return [], problem


def _facts(
    plan: Plan, folder: StudyFolder, statuses: list[TrialStatus], collected: Collected
) -> dict[str, Any]:
    """Cost, commands and versions."""
    outcomes = {outcome.run.name: outcome for outcome in collected.outcomes.values()}.values()
    trained = [outcome for outcome in outcomes if outcome.asked is None]
    asked = [outcome.asked for outcome in outcomes if outcome.asked is not None]
    devices = {outcome.summary.facts.device for outcome in trained if outcome.summary.facts}
    trained_with = {version for outcome in outcomes for version in outcome.versions}
    return {
        "study": plan.study.config.name,
        "title": plan.study.config.title,
        "source": plan.study.config.source,
        "scale": plan.scale,
        "cost": {
            "runs": len(outcomes),
            "steps": sum(outcome.summary.metrics.step for outcome in trained),
            "training_seconds": round(sum(outcome.seconds for outcome in trained), 1),
            "devices": sorted(devices),
            "replies": sum(one.asked for one in asked),
            "tokens": sum(one.prompt_tokens + one.written_tokens for one in asked),
        },
        "speed_measured_on": sorted({row.device for row in collected.rows if row.device}),
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version(), "trained_with": sorted(trained_with)},
        "trials": [
            status.trial.as_json()
            | {
                "state": status.state,
                "reason": status.reason,
                "reused": status.reused,
                "run": None if status.run is None else str(status.run.path),
            }
            for status in statuses
        ],
        "skipped": list(plan.skipped),
        "folder": str(folder.path),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _document(plan: Plan, table: Table, facts: dict[str, Any]) -> str:
    """The table with all that readers need to assess and to rerun it."""
    study, cost = plan.study.config, facts["cost"]
    source = f" ({study.source})" if study.source else ""
    parts = [f"# {plain(study.title + source)}", f"Scale: {plan.scale}."]
    parts += table.legend
    if "exact_match" in study.report.measures:
        parts.append(EVALUATED_ON[study.report.per])
    if facts["speed_measured_on"]:
        where = ", ".join(facts["speed_measured_on"])
        parts.append(f"Speed is measured at one question at a time, on {where}.")
    parts.append(markdown(table).rstrip())
    if table.notes or plan.skipped:
        parts.append("\n".join(f"- {plain(note)}" for note in (*table.notes, *plan.skipped)))
    devices = ", ".join(cost["devices"]) or "nothing"
    prompted = f", {cost['replies']:,} replies of {cost['tokens']:,} tokens" * bool(cost["replies"])
    parts.append(
        f"Cost: {cost['runs']} runs, {cost['steps']:,} steps, {cost['training_seconds']:,.0f} "
        f"seconds of training on {devices}{prompted}. Versions: {_versions(facts['versions'])}."
    )
    if cost["runs"]:
        commands = "\n".join(trial["command"] for trial in facts["trials"])
        parts.append(f"The runs:\n\n```sh\n{commands}\n```")
    return "\n\n".join(parts) + "\n"


def _versions(versions: dict[str, Any]) -> str:
    names = [f"{name} {found}" for name, found in versions.items() if isinstance(found, str)]
    trained = ", ".join(versions["trained_with"])
    return ", ".join(names) + (f"; trained with icot-tui {trained}" if trained else "")

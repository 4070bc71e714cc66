"""A study's results as files: table, figure, and what they cost and were made with."""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError
from icot_tui.studies.collect import Collected
from icot_tui.studies.figure import write_figures
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Plan
from icot_tui.studies.runner import Status
from icot_tui.studies.series import Drawing, make_drawing
from icot_tui.studies.table import Table, as_data, comma_separated, make_table, markdown

CHOSEN = (
    "Exact match is that of the checkpoint which was best on the validation examples, asked about "
    "the test examples, or about the same ones where data.test_examples is 0."
)
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
    plan: Plan, folder: StudyFolder, statuses: list[Status], collected: Collected
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
    files = []
    for name, text in texts.items():
        try:
            write_atomically(folder.path / name, text)
        except OSError as error:
            raise UserError(f"cannot write {folder.path / name}: {error.strerror}", 1) from error
        files.append(folder.path / name)
    problem = ""
    if drawing is not None:
        try:
            files += write_figures(drawing, folder.path)
        except UserError as error:
            problem = str(error)
    return Results(table, drawing, facts, tuple(files), problem)


def _facts(
    plan: Plan, folder: StudyFolder, statuses: list[Status], collected: Collected
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
            "steps": sum(outcome.steps for outcome in trained),
            "training_seconds": round(sum(outcome.seconds for outcome in trained), 1),
            "devices": sorted(devices),
            "replies": sum(one.asked for one in asked),
            "tokens": sum(one.prompt_tokens + one.written_tokens for one in asked),
        },
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version(), "trained_with": sorted(trained_with)},
        "trials": [
            {
                "name": status.trial.name,
                "labels": dict(status.trial.labels),
                "seed": status.trial.seed,
                "state": status.state,
                "reason": status.reason,
                "reused": status.reused,
                "run": None if status.run is None else str(status.run.path),
                "digest": status.trial.digest,
                "command": status.trial.command,
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
    """The table with all that a reader needs to judge and to rerun it."""
    study, cost = plan.study.config, facts["cost"]
    source = f" ({study.source})" if study.source else ""
    parts = [f"# {study.title}{source}", f"Scale: {plan.scale}."]
    if any(group.seeds[1:] for group in table.groups):
        parts.append("Mean ± half of the 95 % interval (Student's t) over seeds.")
    if "exact_match" in study.report.measures:
        parts.append(CHOSEN)
    parts.append(markdown(table).rstrip())
    if table.notes or plan.skipped:
        parts.append("\n".join(f"- {note}" for note in (*table.notes, *plan.skipped)))
    devices = ", ".join(cost["devices"]) or "nothing"
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items() if isinstance(v, str))
    prompted = f", {cost['replies']:,} replies of {cost['tokens']:,} tokens" * bool(cost["replies"])
    parts.append(
        f"Cost: {cost['runs']} runs, {cost['steps']:,} steps, {cost['training_seconds']:,.0f} "
        f"seconds of training on {devices}{prompted}. Versions: {versions}."
    )
    if cost["runs"]:
        commands = "\n".join(trial["command"] for trial in facts["trials"])
        parts.append(f"The runs:\n\n```sh\n{commands}\n```")
    return "\n\n".join(parts) + "\n"

"""What `icot-tui runs show` prints."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from icot_tui.cli.console import print_table
from icot_tui.cli.narrator import pace, results
from icot_tui.cli.plots.command import print_overview
from icot_tui.config import RunConfig, method_of
from icot_tui.engine.journal.events import NextTokensProbed
from icot_tui.engine.journal.wording import describe, that_go
from icot_tui.formatting import age, number, plain, short_percent
from icot_tui.output import say
from icot_tui.runs.notes import read_notes
from icot_tui.units import UNIT_WORDS

if TYPE_CHECKING:
    from icot_tui.watch.run_reader import RunReader

ROWS = 20
"""How many rows of a long table are printed; --json has them all."""


def print_run(one: "RunReader", checkpoints: Sequence[dict[str, Any]]) -> None:
    """A run's heading, evaluations, checkpoints, probes of what goes next, and spikes."""
    metrics = one.summary.metrics
    for name, text in _facts(one):
        say(f"{name:<9} {plain(text)}")
    if sys.stdout.isatty():
        print_overview(one.folder)
    evaluations = [
        (
            f"{result.step:,}",
            str(result.stage),
            short_percent(result.exact_match),
            f"{short_percent(result.low)} to {short_percent(result.high)}",
            f"{result.examples:,}",
            "" if result.loss is None else f"{result.loss:.4f}",
        )
        for result in (evaluation.result for evaluation in metrics.evaluations)
    ]
    saved = [
        (
            facts["name"],
            "damaged" if facts["stage"] is None else str(facts["stage"]),
            "" if facts["exact_match"] is None else short_percent(facts["exact_match"]),
            f"{facts['bytes'] / 1e6:,.1f} MB",
            "best" if facts["best"] else "",
        )
        for facts in checkpoints
    ]
    spikes = [
        (
            f"{spike.step:,}",
            "" if spike.removal is None else str(spike.removal),
            *("" if nats is None else f"{nats:.3f}" for nats in (spike.baseline, spike.height)),
            "collapse" if spike.collapsed else "open" if spike.open else f"{spike.steps:,} steps",
        )
        for spike in metrics.spikes
    ]
    probed = [
        (
            f"{event.step:,}",
            that_go(event),
            *("" if one is None else f"{one:.3f}" for one in _shares(event)),
            f"{event.examples:,}",
        )
        for event in metrics.probed
    ]
    headers = ("step", "removed", "exact match", "95 %", "examples", "loss")
    _print_section("evaluations", headers, evaluations)
    _print_section("checkpoints", ("checkpoint", "removed", "exact match", "size", ""), saved)
    shares = ("readable", "shuffled labels", "most common")
    _print_section("read before written", ("step", "next to go", *shares, "examples"), probed)
    _print_section("spikes", ("step", "removal", "loss before", "height", "recovery"), spikes)


def _shares(event: NextTokensProbed) -> tuple[float | None, ...]:
    return event.readable, event.shuffled, event.majority


def _print_section(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table with its title, if it has rows."""
    if rows:
        some = f", the last {ROWS} of {len(rows)}" if len(rows) > ROWS else ""
        say(f"\n{title}{some}")
        print_table(headers, rows[-ROWS:])


def _facts(one: "RunReader") -> Iterator[tuple[str, str]]:
    """The heading: folder, status, results, and the config in brief."""
    summary = one.summary
    yield "run", str(one.folder.path)
    yield "status", _status_in_words(one)
    notes = read_notes(one.folder)
    if notes.tags:
        yield "tags", ", ".join(notes.tags)
    if notes.note:
        yield "note", notes.note
    if summary.ended is not None:
        yield "end", summary.ended.reason
    if summary.asked is not None:
        yield "progress", describe(summary.asked)
    elif summary.greatest_stage is not None:
        removed = f"removed {summary.removed} of {summary.greatest_stage} {summary.unit_word}s"
        removes = one.config is None or method_of(one.config).removes_tokens
        yield "progress", ", ".join([removed] * removes + pace(summary))
        if parts := summary.metrics.loss_parts:
            told = [
                f"{n} {'unknown' if part is None else number(part)}" for n, part in parts.items()
            ]
            yield "loss", f"{' + '.join(told)}, in the last steps"
    if found := results(summary):
        yield "results", ", ".join(found)
    if one.config is not None:
        yield from _config_in_brief(one.config)


def _status_in_words(one: "RunReader") -> str:
    """The status, and what is wrong with the folder or for how long the trainer is silent."""
    now = time.time()
    status = one.status(now)
    if one.problem:
        return f"{status}: {one.problem}"
    last = one.summary.last_event_time
    silence = "" if last is None else f", last event {age(now - last)}"
    if status == "dead":
        return f"dead: trainer gone{silence}"
    return status + silence * (status == "stalled")


def _brief(options: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _config_in_brief(config: RunConfig) -> Iterator[tuple[str, str]]:
    data, model, train, curriculum = config.data, config.model, config.train, config.curriculum
    yield "data", f"{data.task} {_brief(data.options)}".strip() if data.task else str(data.train)
    if data.train_options:
        yield "trained on", _brief(data.train_options)
    method = method_of(config)
    if method.facts is not None:
        yield from method.facts(config)
        return
    yield "model", model.pretrained or f"{model.architecture} {model.layers} x {model.width}"
    per = "token" if curriculum.gate_per == "token" else "example"
    word = UNIT_WORDS[curriculum.unit]
    share, delta = curriculum.remove_share, f"{curriculum.remove_per_epoch:g}"
    rows = " at the stage" * (curriculum.gate_rows == "scheduled")
    once = f"one {word}" if share is None else f"{share:.3g} of what is left"
    clock = f"{delta} {word}s per epoch" if share is None else f"{once} {delta} times an epoch"
    schedule = {
        "linear": clock,
        "loss_gated": f"{once} whenever the loss per {per}{rows} is below {curriculum.gate_loss:g}",
        "mastery": f"{once} of an example whenever its loss per {per} is below "
        f"{curriculum.gate_loss:g}",
        "stages": f"{len(curriculum.stages)} fixed stages",
    }[curriculum.schedule]
    yield "method", config.method.name + f", {schedule}" * method.removes_tokens
    recipe = f"batch {train.batch_size}, learning rate {train.learning_rate:g}, seed {config.seed}"
    yield "training", recipe

"""What the screen says of a run's method and its trainings."""

from icot_tui.config import MethodConfig, MethodDescription, known_methods, method_of
from icot_tui.engine.journal import forecast
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import decimal, how_answered
from icot_tui.formatting import count, percent
from icot_tui.tui.panels.base import Area
from icot_tui.tui.panels.text import Line, cells, columns, first_fitting, line
from icot_tui.tui.run.view import RunView
from icot_tui.watch.history import History

NAMES = {"coupled": "coupled pair"}
"""Trainings with another name than in configs."""


def run_method(summary: RunSummary) -> MethodDescription:
    """The run's method, as far as is known; the default one where nothing is."""
    if summary.config is not None:
        return method_of(summary.config)
    methods, facts = known_methods(), summary.facts
    titled = (m for m in methods.values() if facts is not None and m.title == facts.method)
    return next(titled, methods[MethodConfig().name])


def removes(summary: RunSummary) -> bool:
    """Does the run remove tokens step by step, as far as is known?"""
    return run_method(summary).removes_tokens


def progress_text(summary: RunSummary) -> str:
    """How far a run is with its chain of thought, in the words of its method; empty before it."""
    facts, phase = summary.facts, summary.metrics.phase
    if facts is None:
        return ""
    if phase is not None:
        return f"{name_of(phase.phase)} ({phase.number} of {phase.phases})"
    if removes(summary):
        return f"stage {summary.removed} of {facts.greatest_stage}"
    return facts.method


def name_of(phase: str) -> str:
    """A training's name for people."""
    return NAMES.get(phase, phase)


def trainings_done(summary: RunSummary) -> int:
    """How many are over; the next one is the present one."""
    phase, ended = summary.metrics.phase, summary.ended
    if phase is None:
        return 0
    return phase.phases if ended is not None and ended.finished else phase.number - 1


def trainings_bar(summary: RunSummary, area: Area) -> Line:
    """A bar of the finished, the present and the future trainings."""
    phase, glyph = summary.metrics.phase, area.glyph
    if phase is None:
        return ()
    now = trainings_done(summary)
    ends = [at * area.width // phase.phases for at in range(phase.phases + 1)]
    parts = []
    for at in range(phase.phases):
        sign, style = (
            (glyph.remaining, "success") if at < now
            else (glyph.next, "bold warning") if at == now
            else (glyph.removed, "dim")
        )  # fmt: skip
        last = at == phase.phases - 1
        parts.append((sign * (ends[at + 1] - ends[at] - (not last)) + " " * (not last), style))
    return line(*parts)


def training_lines(view: RunView, area: Area) -> list[Line]:
    """A line for each training: its result, its steps, and what is measured."""
    history, config = view.history, view.history.summary.config
    names = [training.began.phase for training in history.trainings]
    if config is not None:
        names = [phase.name for phase in method_of(config).phases(config)]
    now = trainings_done(history.summary)
    rows = columns([_row(history, at, name, now, area) for at, name in enumerate(names)])
    lines = []
    for at, row in enumerate(rows):
        more = first_fitting(area.width - cells(row) - 2, *_more(history, at), "")
        lines.append((*row, (f"  {more}", "dim")) if more else area.cut(row))
    return lines


def _row(history: History, at: int, name: str, now: int, area: Area) -> tuple[Line, Line, Line]:
    if at >= len(history.trainings):
        return line((f"  {name_of(name)}", "dim")), (), line(("to come", "dim"))
    sign, style = area.glyph.arrow, "bold warning"
    if at < now:
        sign, style = f"{area.glyph.done} ", "success"
    result = _result(history, at, at < now)
    return line((sign + name_of(name), style)), line((result, "bold")), line(_steps(history, at))


def _result(history: History, at: int, is_over: bool) -> str:
    """The latest exact match of a training; the best, which is kept, if it is over."""
    shares = [each.result.exact_match for each in history.evaluations_of(at)]
    if not shares:
        return ""
    return percent(max(shares) if is_over else shares[-1])


def _steps(history: History, at: int) -> str:
    summary, began = history.summary, history.trainings[at].began
    if at + 1 < len(history.trainings):
        return count(history.trainings[at + 1].began.step - began.step, "step")
    done = summary.metrics.step - began.step
    if summary.ended is not None:
        return count(done, "step")
    config, facts = summary.config, summary.facts
    if config is None or facts is None:
        return f"step {done:,}"
    most = forecast.steps_of_phase(method_of(config).phases(config)[at], facts)
    return f"step {done:,}" + ("" if most is None else f" of {most:,}")


def _more(history: History, at: int) -> tuple[str, ...]:
    """What the model writes before it answers, or an emulator's error; the longest first."""
    if at >= len(history.trainings):
        return ()
    phase = history.trainings[at].began.phase
    if phase == "emulator" and history.thoughts:
        newest = history.thoughts[-1]
        blocks = " ".join(map(decimal, newest.blocks))
        return f"error by block {blocks}", f"error {decimal(newest.loss)} in all"
    return (how_answered(phase != "teacher", phase),)

"""The history against one made anew, the plain way, from what is effective."""

import json
import random
from dataclasses import asdict

import numpy as np
import pytest

from icot_tui.engine.journal.events import (
    Event,
    OptimizerReset,
    RolledBack,
    RunResumed,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import decode_line, encode_line
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.watch.bulk_reader import fold, read
from icot_tui.watch.history import LOG_LINES, History
from icot_tui.watch.series import single
from tests.events import MOST, STARTED, evaluated, removed, saved, trained
from tests.watch.runs import BEGAN, any_run


def folded(lines: bytes, part_lines: int = 10**9) -> History:
    history = History()
    split = lines.splitlines(keepends=True)
    for begin in range(0, len(split), part_lines):
        fold(history, read(b"".join(split[begin : begin + part_lines])))
    return history


def of(*events: Event) -> History:
    return folded(b"".join(encode_line(BEGAN + at, event) for at, event in enumerate(events)))


@pytest.mark.parametrize("seed", range(60))
def test_a_history_is_that_of_what_is_effective(seed: int) -> None:
    chance = random.Random(seed)
    events = any_run(chance, 250)
    when = BEGAN
    raw = []
    for event in events:
        when += chance.choice([0.0, 0.001, 0.5, 7.25])
        raw.append(encode_line(when, event))
    history = folded(b"".join(raw), chance.choice([1, 7, 10**9]))
    pairs = [pair for one in raw if (pair := decode_line(one)) is not None]
    kept = effective(pairs)
    check_series(history, [event for _, event in kept])
    check_lists(history, kept)
    assert state(history.summary) == state(RunSummary.of(pairs))
    assert asdict(history.summary.metrics) == asdict(RunSummary.of(kept).metrics)


def state(summary: RunSummary) -> object:
    known = {name: value for name, value in vars(summary).items() if name != "_metrics"}
    return json.dumps(known | {"metrics": asdict(summary.metrics)}, default=repr)


def check_series(history: History, events: list[Event]) -> None:
    steps = [event for event in events if isinstance(event, StepsTrained)]
    losses = [loss for event in steps for loss in event.losses]
    expected = single(np.array(losses, dtype=np.float64))
    np.testing.assert_allclose(history.losses.values(), expected, rtol=2e-7)
    assert history.losses.steps().tolist() == [
        step for event in steps for step in range(event.first, event.step + 1)
    ]
    assert history.lines.steps.tolist() == [event.step for event in steps]
    np.testing.assert_allclose(
        history.lines.seconds, np.cumsum([event.seconds for event in steps]), rtol=1e-12
    )
    for name in history.lines.parts.keys() | {n for event in steps for n in event.loss_parts}:
        means = [event.loss_parts.get(name) for event in steps]
        np.testing.assert_array_equal(history.lines.parts[name], np.array(means, dtype=np.float64))


def check_lists(history: History, kept: list[tuple[float, Event]]) -> None:
    def named(kind: str) -> list[tuple[float, int]]:
        return [(time, event.step) for time, event in kept if type(event).__name__ == kind]

    assert history.removals == [event for _, event in kept if isinstance(event, TokenRemoved)]
    assert [(one.time, one.step) for one in history.resets] == named("OptimizerReset")
    assert [(one.time, one.step) for one in history.saved] == named("CheckpointSaved")
    stages = [event for _, event in kept if isinstance(event, StepsTrained)]
    axis = history.along(np.array([event.step for event in stages], np.int64), "removed")
    for event, place in zip(stages, axis.tolist(), strict=True):
        assert event.stage <= place <= event.stage + 1


def test_a_resume_undoes_what_came_after_its_checkpoint() -> None:
    before = [STARTED, trained(2, losses=[1.0, 2.0]), saved(2)]
    undone = [removed(2, 1), OptimizerReset(step=2, cause="x"), trained(3, 1, [None]), saved(3, 1)]
    history = of(*before, *undone, RunResumed(step=2, checkpoint="step-00000002"))
    assert history.losses.values().tolist() == [1, 2]
    assert history.removals == history.resets == []
    assert [one.step for one in history.saved] == [2]
    assert [line.kind for line in history.log][-2:] == ["CheckpointSaved", "RunResumed"]


def test_a_checkpoint_whose_line_was_lost_is_where_its_step_ended() -> None:
    history = of(
        STARTED,
        trained(1),
        trained(2),
        removed(2, 1),
        trained(3, 1),
        RunResumed(step=2, checkpoint="x"),
    )
    assert history.losses.steps().tolist() == [1, 2]
    assert history.removals[-1].stage == 1
    assert of(STARTED, trained(1), RunResumed(step=1, checkpoint="x")).losses.steps().tolist() == [
        1
    ]


def test_a_run_that_starts_anew() -> None:
    history = of(STARTED, trained(1), removed(1, 1), saved(1), STARTED, trained(1, losses=[9.0]))
    assert history.losses.values().tolist() == [9]
    assert history.removals == history.saved == []


def test_the_version_rises_with_every_change() -> None:
    history, versions = History(), []
    for event in (STARTED, trained(1), removed(1, 1)):
        history.add(BEGAN, event)
        versions.append(history.version)
    assert versions == sorted(set(versions))


def test_the_log_is_bounded_and_leaves_out_the_losses() -> None:
    history = of(STARTED, *(removed(1, 1) for _ in range(LOG_LINES + 5)), trained(1, 1))
    assert len(history.log) == LOG_LINES
    assert {line.kind for line in history.log} == {"TokenRemoved"}
    assert history.log[-1].text == "token 1 removed (on schedule)"


def test_lines_that_are_damaged_or_of_newer_versions_are_left_out() -> None:
    good = [encode_line(BEGAN, STARTED), encode_line(BEGAN, trained(1))]
    odd = [
        b'{"time":1,"event":"Unheard","step":3}\n',
        b'{"time":1,"event":"StepsTrained","step":2}\n',
        encode_line(BEGAN, trained(2)).replace(b"[1.0]", b'["x"]'),
        encode_line(BEGAN, trained(2)).replace(b'"seconds":1.0', b'"seconds":null'),
        encode_line(BEGAN, evaluated(2)).replace(b'"exact_match":0.5', b'"exact_match":"y"'),
        b"\xff\xfe{\n",
        b"\n",
        b"[1,2]\n",
        encode_line(BEGAN, removed(2, 1)).replace(b'"stage":1', b'"stage":true'),
    ]
    newer = encode_line(BEGAN, trained(2)).replace(b'"stage"', b'"new":{"a":[]},"stage"')
    history = folded(b"".join([*good, *odd, newer]))
    assert history.losses.steps().tolist() == [1, 2]
    assert history.summary.metrics.evaluation is None
    assert history.removals == []


def test_every_event_of_the_engine_is_sound() -> None:
    for event in (STARTED, trained(1, losses=[None, 1.0]), removed(1, 1), evaluated(1), saved(1)):
        assert decode_line(encode_line(1.0, event)) == (1.0, event)


def test_time_along_the_axis_is_training_time() -> None:
    history = of(STARTED, trained(10, losses=[1.0] * 10, seconds=5), trained(20, seconds=20))
    at = history.along(np.array([0, 5, 10, 15, 20]), "time")
    assert at.tolist() == [0, 2.5, 5, 15, 25]


def test_stages_are_evenly_wide_along_removed_tokens() -> None:
    history = of(
        STARTED,
        trained(10, losses=[1.0] * 10),
        removed(10, 1),
        trained(30, 1, [1.0] * 20),
        removed(30, 2),
        trained(35, 2, [1.0] * 5),
    )
    at = history.along(np.array([0, 5, 10, 20, 30, 35]), "removed")
    assert at.tolist() == [0, 0.5, 1, 1.5, 2, 2.25]


def test_a_rollback_goes_back_along_removed_tokens() -> None:
    history = of(
        STARTED,
        trained(10, losses=[1.0] * 10),
        removed(10, 1),
        trained(20, 1, [1.0] * 10),
        RolledBack(step=20, checkpoint="step-00000000", stage=0, cause="by command"),
        trained(25, 0, [1.0] * 5),
    )
    assert history.along(np.array([15, 25]), "removed").tolist() == [1.5, 0.5]


def test_a_method_without_chain_of_thought_lies_at_the_far_end() -> None:
    history = of(STARTED, trained(10, MOST, [1.0] * 10))
    at = history.along(np.array([1, 10]), "removed")
    assert at.min() >= MOST
    assert at.max() <= MOST + 1

"""Spikes: paired with their removal, measured, and troughs told from collapses."""

import numpy as np

from icot_tui.config import SpikeConfig
from icot_tui.engine.journal.events import Collapsed, LossSpike, SpikeRecovered
from icot_tui.engine.loop.spikes import SpikeDetector

CONFIG = SpikeConfig(window=10, sigmas=6, patience=100)


def noisy(level, steps, seed=0):
    return level * (1 + 0.02 * np.random.default_rng(seed).standard_normal(steps))


def feed(detector, losses, start):
    events = []
    for step, loss in enumerate(losses, start=start):
        events += detector.add_loss(step, float(loss))
    return events


def test_quiet_losses_make_no_news():
    detector = SpikeDetector(CONFIG)
    assert feed(detector, noisy(1.0, 500), 1) == []
    detector.token_removed(500, 1)
    assert feed(detector, noisy(1.01, 500, seed=1), 501) == []


def test_spike_is_paired_with_its_removal_and_measured():
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(0.2, 50), 1)
    detector.token_removed(50, 7)
    decay = 0.2 + 1.8 * np.exp(-np.arange(200) / 30)
    events = feed(detector, decay, 51)
    spike, recovery = events
    assert isinstance(spike, LossSpike) and spike.removal == 7
    assert abs(spike.baseline - 0.2) < 0.01
    assert isinstance(recovery, SpikeRecovered) and recovery.removal == 7
    assert 1.4 < recovery.height < 1.8
    assert 80 < recovery.steps < 200
    assert detector.open is None


def test_slow_trough_is_no_collapse():
    """Exact match may be 0 for thousands of steps while the loss still falls."""
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(0.2, 50), 1)
    detector.token_removed(50, 1)
    events = feed(detector, np.linspace(2.5, 0.2, 3000), 51)
    assert [type(event) for event in events] == [LossSpike, SpikeRecovered]


def test_stuck_loss_is_a_collapse_told_once():
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(0.2, 50), 1)
    detector.token_removed(50, 3)
    events = feed(detector, noisy(2.0, 1000, seed=2), 51)
    assert [type(event) for event in events] == [LossSpike, Collapsed]
    assert events[1].removal == 3 and events[1].steps >= 100


def test_better_digits_are_progress_when_the_loss_stands_still():
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(0.2, 50), 1)
    detector.token_removed(50, 3)
    step, events = 51, []
    for accuracy in (0.2, 0.25, 0.3, 0.4, 0.5, 0.55, 0.6):
        events += feed(detector, noisy(2.0, 40, seed=step), step)
        step += 40
        detector.add_evaluation(step, accuracy)
    assert [type(event) for event in events] == [LossSpike]


def test_removals_in_an_unrecovered_trough_add_up_to_a_collapse():
    """A fast linear schedule never leaves one stage time for the patience to run out."""
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(0.2, 50), 1)
    step, events = 50, []
    for stage in range(1, 8):
        detector.token_removed(step, stage)
        events += feed(detector, noisy(2.0 + 0.1 * stage, 40, seed=stage), step + 1)
        step += 40
    assert [type(event) for event in events] == [LossSpike, Collapsed]
    assert events[0].removal == 1


def test_spike_within_a_stage_has_no_removal():
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(1.0, 100), 1)
    events = feed(detector, [5.0] * 10 + [1.0] * 60, 101)
    assert [type(event) for event in events] == [LossSpike, SpikeRecovered]
    assert events[0].removal is None


def test_non_finite_losses_are_left_to_others():
    detector = SpikeDetector(CONFIG)
    feed(detector, noisy(1.0, 100), 1)
    assert feed(detector, [float("nan"), float("inf")] * 20, 101) == []


def test_state_goes_on_exactly():
    rng = np.random.default_rng(1)
    losses = np.abs(rng.standard_normal(600)) + np.repeat([0.1, 3, 0.2, 2, 0.1, 0.1], 100)
    removals = {100: 1, 250: 2, 300: 3}

    def run(detector, begin, end):
        events = []
        for step in range(begin, end):
            if step in removals:
                detector.token_removed(step, removals[step])
            events += detector.add_loss(step + 1, float(losses[step]))
        return events

    whole = run(SpikeDetector(CONFIG), 0, 600)
    assert whole
    for cut in range(0, 600, 13):
        first = SpikeDetector(CONFIG)
        events = run(first, 0, cut)
        second = SpikeDetector(CONFIG)
        second.restore(first.state())
        assert events + run(second, cut, 600) == whole

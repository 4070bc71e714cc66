"""Where the panels stand: nothing overlaps, nothing is lost, at any size."""

import random

import pytest
from textual.geometry import Region

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.app.redraw_rate import LONGEST, SHARE, SHORTEST, SLOW_LINK_BYTES, RedrawRate
from icot_tui.tui.frame.layout import (
    HEAVIEST,
    LIGHTEST,
    LayoutChoices,
    arrange,
    divide,
    shape_of,
)


def cells(boxes: dict[str, Region]) -> list[tuple[int, int]]:
    return [
        (x, y)
        for box in boxes.values()
        for x in range(box.x, box.x + box.width)
        for y in range(box.y, box.y + box.height)
    ]


@pytest.mark.parametrize(
    ("size", "shape", "panels"),
    [
        ((250, 70), "grid", set(PANEL_IDS)),
        ((200, 60), "grid", set(PANEL_IDS)),
        ((120, 40), "grid", set(PANEL_IDS)),
        ((80, 24), "compact", {"removal", "loss", "samples"}),
        ((60, 50), "stack", {"removal", "loss", "samples"}),
        ((50, 20), "spine", {"removal"}),
        ((49, 20), "too small", set()),
        ((50, 19), "too small", set()),
    ],
)
def test_each_size_has_its_shape(size: tuple[int, int], shape: str, panels: set[str]) -> None:
    assert shape_of(*size) == shape
    assert set(arrange(size[0], size[1] - 2, shape_of(*size), LayoutChoices())) == panels


def test_panels_fill_the_area_and_never_overlap() -> None:
    chance = random.Random(0)
    for _ in range(200):
        width, height = chance.randint(50, 250), chance.randint(20, 70)
        hidden = [panel for panel in PANEL_IDS if chance.random() < 0.3]
        widths, heights = (
            {panel: chance.uniform(LIGHTEST, HEAVIEST) for panel in PANEL_IDS} for _ in range(2)
        )
        choices = LayoutChoices(hidden, widths, heights, chart=chance.choice(("loss", "accuracy")))
        boxes = arrange(width, height - 3, shape_of(width, height), choices)
        covered = cells(boxes)
        assert len(covered) == len(set(covered)) == width * (height - 3)
        assert all(box.width >= 12 and box.height >= 3 for box in boxes.values())


def test_a_number_key_brings_a_panel_in_wherever_there_is_room_for_few() -> None:
    choices = LayoutChoices(hidden=["log"])
    choices.go_to("log")
    assert choices.hidden == []
    assert set(arrange(80, 21, "compact", choices)) == {"removal", "loss", "log"}
    assert set(arrange(50, 17, "spine", choices)) == {"log"}
    choices.go_to("accuracy")
    assert set(arrange(80, 21, "compact", choices)) == {"removal", "accuracy", "log"}
    choices.full = "accuracy"
    choices.go_to("spikes")
    assert arrange(120, 38, "grid", choices) == {"spikes": Region(0, 0, 120, 38)}


def test_shares_add_up_to_the_whole() -> None:
    assert divide(10, [1, 1, 1], 2) == [4, 3, 3]
    chance = random.Random(1)
    for _ in range(200):
        shares = [chance.uniform(0.1, 9) for _ in range(chance.randint(1, 5))]
        total = chance.randint(1, 300)
        parts = divide(total, shares, 5)
        assert sum(parts) == total and min(parts) >= min(5, total // len(shares))


def test_the_pace_keeps_to_its_share_of_a_core() -> None:
    rate = RedrawRate()
    assert rate.interval(training=True) == SHORTEST
    for _ in range(30):
        rate.add_cost(SHARE)
    assert rate.interval(training=True) == pytest.approx(1.0)
    assert rate.interval(training=False) == SHORTEST
    for _ in range(30):
        rate.add_cost(1.0)
    assert rate.interval(training=True) == LONGEST


def test_a_slow_link_gets_no_more_than_its_share_however_uneven() -> None:
    rate, chance = RedrawRate(low_bandwidth=True), random.Random(0)
    assert rate.interval(training=True) == 2
    sent = seconds = 0.0
    for _ in range(300):
        size = chance.choice([500, 2500, 2500, 7000, 14_000])
        wait = rate.interval(training=True)
        rate.add_bytes(size, wait)
        sent, seconds = sent + size, seconds + wait
    assert 0.8 * SLOW_LINK_BYTES < sent / seconds < 1.02 * SLOW_LINK_BYTES
    rate.add_bytes(10**6, 1.0)
    assert rate.interval(training=True) == 10

from pathlib import Path

import pytest

from icot_tui.watch.overlays import COLOURS, Overlays, colour_index, free_colour, name_filter
from tests.events import STARTED, trained
from tests.watch.runs import make


def test_a_name_always_has_the_same_colour() -> None:
    assert [colour_index(name) for name in ("demo", "demo-2", "ünï", "\udcff")] == [
        colour_index(name) for name in ("demo", "demo-2", "ünï", "\udcff")
    ]
    assert {colour_index(f"run-{number}") for number in range(100)} == set(range(COLOURS))


def test_colours_are_shared_only_when_there_are_no_others() -> None:
    taken: list[int] = []
    for _ in range(COLOURS):
        taken.append(free_colour("same", taken))
    assert sorted(taken) == list(range(COLOURS))
    assert free_colour("same", taken) == colour_index("same")


def test_overlays_keep_their_colour_and_follow_their_runs(tmp_path: Path) -> None:
    folders = [make(tmp_path, f"run-{number}", [STARTED, trained(1)]) for number in range(3)]
    overlays = Overlays()
    first = [overlays.add(folder) for folder in folders]
    assert overlays.all == tuple(first)
    assert overlays.poll(1.0)
    assert all(len(overlay.source.history.losses) == 1 for overlay in first)
    assert not overlays.poll(1.0)
    assert overlays.add(folders[1]) is first[1]
    overlays.remove(folders[0])
    overlays.remove(folders[0])
    assert overlays.all == tuple(first[1:])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", ["demo", "demo-2", "GPT2 [big]"]),
        ("DEMO", ["demo", "demo-2"]),
        (r"-\d$", ["demo-2"]),
        ("[big", ["GPT2 [big]"]),
        ("demo|gpt", ["demo", "demo-2", "GPT2 [big]"]),
        ("(", []),
    ],
)
def test_filters(text: str, fits: list[str]) -> None:
    keep = name_filter(text)
    assert [name for name in ("demo", "demo-2", "GPT2 [big]") if keep(name)] == fits

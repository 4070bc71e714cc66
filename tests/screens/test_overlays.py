from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.run.monitor import COLOURS, RunMonitor, colour_index, free_colour
from icot_tui.watch.filters import run_filter
from icot_tui.watch.runs import RunLine
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
    shown, *others = [make(tmp_path, f"run-{number}", [STARTED, trained(1)]) for number in range(4)]
    monitor = RunMonitor(None, None, ascii=False, axis="step")
    monitor.open(shown)
    for folder in (*others, shown):  # the run on show is not overlaid
        monitor.toggle_overlay(folder)
    first = monitor.overlays
    assert [overlay.name for overlay in first] == ["run-1", "run-2", "run-3"]
    monitor.refresh()
    assert all(len(overlay.source.history.losses) == 1 for overlay in first)
    monitor.toggle_overlay(others[0])
    assert monitor.overlays == first[1:]
    assert not monitor.is_overlaid(others[0]) and monitor.is_overlaid(others[1])


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
    names = ("demo", "demo-2", "GPT2 [big]")
    lines = [RunLine(folder=RunFolder(Path(one)), name=one, status="finished") for one in names]
    keep = run_filter(text, lines)
    assert [line.name for line in lines if keep(line)] == fits

import os
import time
from pathlib import Path

from icot_tui.engine.journal.events import RunEnded
from icot_tui.watch.runs import RunList
from tests.events import MOST, STARTED, evaluated, removed, trained
from tests.watch.runs import BEGAN, journal, make


def test_no_runs(tmp_path: Path) -> None:
    assert RunList(tmp_path / "gone").read(0.0) == []


def test_runs_in_a_line_each(tmp_path: Path) -> None:
    old = make(
        tmp_path, "old", [STARTED, trained(1), removed(1, 1), evaluated(1, 0.5), trained(2, 1)]
    )
    os.utime(old.config, (BEGAN, BEGAN))
    new = make(
        tmp_path, "new", [STARTED, trained(1), RunEnded(step=1, reason="done", finished=True)]
    )
    new.lock()
    runs = RunList(tmp_path)
    first, second = runs.read(BEGAN + 10)
    assert (first.name, first.status, first.accuracy) == ("new", "finished", None)
    assert (second.name, second.status, second.stage, second.of) == ("old", "dead", 1, MOST)
    assert (second.accuracy, second.step) == (0.5, 2)
    assert (second.age, second.method) == (10, "ICoT-SI")
    assert second.description.startswith("The demo")


def test_news_is_read_as_it_comes(tmp_path: Path) -> None:
    folder = make(tmp_path, "run", [STARTED])
    runs = RunList(tmp_path)
    assert runs.read(BEGAN)[0].step == 0
    with open(folder.journal, "ab") as file:
        file.write(journal([trained(1), removed(1, 1)]))
    assert [(line.step, line.stage) for line in runs.read(BEGAN)] == [(1, 1)]
    folder.journal.write_bytes(journal([STARTED]))
    assert [(line.step, line.stage) for line in runs.read(BEGAN)] == [(0, 0)]


def test_a_config_that_is_mended_is_read_again(tmp_path: Path) -> None:
    folder = make(tmp_path, "run", [STARTED])
    whole = folder.config.read_text()
    folder.config.write_text("name = [")
    runs = RunList(tmp_path)
    assert runs.read(BEGAN)[0].status == "damaged"
    folder.config.write_text(whole)
    os.utime(folder.config, (BEGAN, BEGAN))
    assert runs.read(BEGAN)[0].status == "dead"


def test_damaged_runs_break_nothing(tmp_path: Path) -> None:
    make(tmp_path, "binary").journal.write_bytes(os.urandom(5000))
    folder = make(tmp_path, "folder-as-journal")
    folder.journal.mkdir()
    make(tmp_path, "no-config", [STARTED]).config.unlink()
    make(tmp_path, "no-journal")
    os.mkfifo(make(tmp_path, "pipes").journal)
    os.mkfifo(tmp_path / "pipes" / "lock")
    lines = {line.name: line.status for line in RunList(tmp_path).read(time.time())}
    assert lines == {
        "binary": "dead", "folder-as-journal": "damaged", "no-config": "damaged",
        "no-journal": "dead", "pipes": "damaged",
    }  # fmt: skip

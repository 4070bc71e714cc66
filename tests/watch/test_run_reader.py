"""A summary from the cache is exactly the one that reading the whole journal gives."""

import os
import random
from pathlib import Path

import pytest

from icot_tui.data.cache import FOLDER_VARIABLE
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch import bulk_reader, run_reader
from icot_tui.watch.bulk_reader import Wanted, fold, read
from icot_tui.watch.run_reader import RunReader
from icot_tui.watch.runs import RunList, read_run
from icot_tui.watch.summary_cache import FILE
from tests.events import STARTED, evaluated, removed, saved, trained
from tests.watch.runs import BEGAN, any_run, journal, make
from tests.watch.test_history import state


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(run_reader, "WORTH", 0)
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of journals were parsed, part by part."""
    sizes: list[int] = []

    def counted(text: bytes, wanted: Wanted) -> list[bulk_reader.Piece]:
        sizes.append(len(text))
        return read(text, wanted)

    monkeypatch.setattr(bulk_reader, "read", counted)
    return sizes


def directly(run: RunFolder) -> RunSummary:
    summary = RunSummary()
    for part in JournalReader(run.journal).new_parts():
        fold(summary, read(part))
    return summary


def check(run: RunFolder) -> RunReader:
    """All of a run, and its line in a list, as without a cache."""
    found, expected = read_run(run), directly(run)
    found.summary.config = None
    assert state(found.summary) == state(expected)
    (line,) = RunList(run.path.parent).read(BEGAN + 10**6)
    metrics = expected.metrics
    assert line.accuracy == (metrics.evaluation and metrics.evaluation.exact_match)
    assert (line.step, line.stage, line.best, line.of) == (
        metrics.step, expected.removed, metrics.best, expected.greatest_stage,
    )  # fmt: skip
    assert line.summary.steps_per_second == expected.steps_per_second
    assert line.summary.metrics.loss == metrics.loss
    assert line.status == expected.status(False, BEGAN)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_any_run_read_in_any_pieces(tmp_path: Path, seed: int) -> None:
    """Resumes and rollbacks among the news go back to what no cache holds."""
    chance = random.Random(seed)
    text = journal(any_run(chance, 250))
    run = make(tmp_path / "runs")
    size = 0
    while size < len(text):
        size = min(len(text), size + chance.randrange(1, 20_000))
        with open(run.journal, "ab") as file:
            file.write(text[file.tell() : size])
        check(run)


def test_what_was_read_is_not_read_again(tmp_path: Path, parsed: list[int]) -> None:
    run = make(tmp_path / "runs", events=[STARTED, trained(1), evaluated(1, 0.5)])
    check(run)
    parsed.clear()
    check(run)
    assert not parsed
    news = journal([trained(2)])
    with open(run.journal, "ab") as file:
        file.write(news)
    check(run)
    assert parsed == [len(news)]


def test_a_long_running_list_recalls_what_it_left_out(tmp_path: Path) -> None:
    run = make(tmp_path / "runs", events=[STARTED, evaluated(1, 0.5), evaluated(2, 0.75)])
    check(run)
    runs = RunList(run.path.parent)
    assert runs.read(BEGAN)[0].accuracy == 0.75
    with open(run.journal, "ab") as file:
        file.write(journal([trained(3), evaluated(3, 0.25)]))
    assert runs.read(BEGAN)[0].accuracy == 0.25
    assert len(check(run).summary.metrics.evaluations) == 3


@pytest.mark.parametrize("how", ["shorter", "same size", "other start", "replaced", "copied over"])
def test_a_journal_that_is_another_one_is_read_anew(tmp_path: Path, how: str) -> None:
    run = make(tmp_path / "runs", events=[STARTED, trained(1), removed(1, 1), evaluated(1, 0.5)])
    check(run)
    text = run.journal.read_bytes()
    changed = text.replace(b'"exact_match":0.5', b'"exact_match":0.7')
    if how == "shorter":
        run.journal.write_bytes(text[: text.rindex(b"\n", 0, -1) + 1])
    elif how == "same size":
        run.journal.write_bytes(changed)
    elif how == "other start":
        run.journal.write_bytes(changed + journal([evaluated(3, 0.9), trained(4)]))
    else:
        (run.path / "new").write_bytes(changed)
        at = os.stat(run.journal)
        os.utime(run.path / "new", ns=(at.st_atime_ns, at.st_mtime_ns))
        os.replace(run.path / "new", run.journal)
    check(run)


def test_a_changed_config_is_read_again(tmp_path: Path) -> None:
    run = make(tmp_path / "runs", events=[STARTED])
    assert check(run).facts.values["seed"] == 0
    run.config.write_text(run.config.read_text().replace("seed = 0", "seed = 7"))
    (line,) = RunList(tmp_path / "runs").read(BEGAN)
    assert line.config["seed"] == 7 and check(run).facts.values["seed"] == 7
    run.config.write_text("name = [")
    (line,) = RunList(tmp_path / "runs").read(BEGAN)
    assert line.status == "damaged" and line.problem is not None


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_damaged_cache_is_done_without(tmp_path: Path, cache: Path, content: bytes) -> None:
    run = make(tmp_path / "runs", events=[STARTED, trained(1), evaluated(1, 0.5)])
    cache.mkdir()
    (cache / FILE).write_bytes(content)
    for _ in range(2):
        check(run)


def test_without_a_cache_that_can_be_written_all_is_read(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    check(make(tmp_path / "runs", events=[STARTED, trained(1), evaluated(1, 0.5)]))


def test_a_run_that_is_gone_leaves_the_cache(tmp_path: Path) -> None:
    run = make(
        tmp_path / "runs", events=[STARTED, saved(0), RunEnded(step=0, reason="", finished=True)]
    )
    check(run)
    run.path.rename(tmp_path / "away")
    assert RunList(tmp_path / "runs").read(BEGAN) == []
    assert RunList(tmp_path / "runs")._entries == {}


def test_reading_stops_in_time_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icot_tui.engine.journal.journal.PART_BYTES", 2000)
    run = make(tmp_path / "runs", events=any_run(random.Random(1), 300))
    runs = RunList(tmp_path / "runs")
    (line,) = runs.read(BEGAN, seconds=0.0)
    assert (line.status, line.accuracy, line.step) == ("reading", None, 0)
    while (line := runs.read(BEGAN, seconds=0.001)[0]).status == "reading":
        pass
    assert line.step == directly(run).metrics.step

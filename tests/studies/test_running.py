"""Studies in real processes: run to the end, killed, stopped, started again."""

import json
import os
import signal

import pytest

from icot_tui import resources
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import CheckpointSaved, Evaluated, RunResumed, RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from tests.studies.processes import LONG, NO_COT, PATIENCE, STEPWISE, Studies, wait_for
from tests.studies.small import write_study

pytestmark = pytest.mark.slow

BROKEN = (
    '[vary.method."Broken"]\ndata.max_length = 1\nmodel.pretrained = "./nowhere"\n\n[scales.cpu]'
)


def test_a_failed_trial_does_not_end_a_study_and_what_is_finished_is_reused(
    studies: Studies,
) -> None:
    studies.write(("[scales.cpu]", BROKEN))
    status, output, errors = studies.run()
    assert status == 1, errors
    assert "failed: Broken, seed 0: " in errors
    assert "nowhere" in errors
    assert "Traceback" not in errors
    results = studies.results()
    assert [trial["state"] for trial in results["trials"]] == ["finished", "finished", "failed"]
    assert [group["labels"]["method"] for group in results["table"]] == [
        *("No CoT", "ICoT-SI", "Broken"),
    ]
    first = results["table"][0]["values"]
    assert first["speed"]["mean"] == 1.0
    assert first["steps"].items() >= {"mean": 30, "half_95": None, "count": 1}.items()
    assert results["table"][1]["values"]["steps_to_internalize"]["mean"] > 0
    assert results["table"][2]["values"] == {}
    assert results["cost"]["runs"] == 2
    assert results["cost"]["steps"] == 60
    assert results["versions"]["torch"]
    for name in ("table.md", "table.csv", "figure.svg", "figure.png"):
        assert (studies.study / name).stat().st_size > 0
    assert not RunFolder.all(studies.runs)[0].is_locked()

    # Without the broken one and with another name, nothing is left to be trained or measured.
    before = {run: run.journal.stat().st_mtime_ns for run in RunFolder.all(studies.runs)}
    measured = (studies.study / "measured.jsonl").read_bytes()
    studies.write(("ICoT-SI", "Stepwise"))
    status, output, errors = studies.run("--json")
    assert status == 0, errors
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in lines] == ["StudyStarted", "Trial", "Trial", "StudyEnded"]
    assert all(line["reused"] for line in lines if line["event"] == "Trial")
    table = lines[-1]["table"]
    assert [group["labels"]["method"] for group in table] == ["No CoT", "Stepwise"]
    assert [group["values"] for group in table] == [
        group["values"] for group in results["table"][:2]
    ]
    assert (studies.study / "measured.jsonl").read_bytes() == measured
    assert {r.path for r in before} == {r.path for r in RunFolder.all(studies.runs)}
    assert all(run.journal.stat().st_mtime_ns == when for run, when in before.items())


FILES = """[scales.cpu]
base = "tiny.toml"
minutes = 1
seeds = [0]

[scales.cpu.changes]
data = {train = "train.txt", validation = "10%", test = "test.txt"}
defaults = ["data.task", "data.options", "data.train_examples", "data.test_examples"]

[scales.cpu.vary.method."ICoT-KD"]
train.max_steps = 4
"""


def test_table3_reports_the_test_file_on_which_nothing_was_chosen(studies: Studies) -> None:
    """Its methods, with files that have a test split; their checkpoints say so, too."""
    table3 = resources.studies()["table3"].read_text().split("[scales.cpu]")[0]
    write_study(studies.folder, table3.replace('"table3"', '"small"') + FILES)
    lines = [f"{a} + {b}||{a + b} #### {a + b}\n" for a in range(9) for b in range(9)]
    (studies.folder / "train.txt").write_text("".join(lines[:60]))
    (studies.folder / "test.txt").write_text("".join(lines[60:]))
    status, _, errors = studies.run()
    assert status == 0, errors
    methods = ["No CoT", "Explicit CoT", "ICoT-SI", "ICoT-KD"]
    assert [group["labels"]["method"] for group in studies.results()["table"]] == methods
    measured = [
        json.loads(line) for line in (studies.study / "measured.jsonl").read_text().splitlines()
    ]
    accuracies = [one["value"] for one in measured if "exact_match" in one["value"]]
    assert [(one["split"], one["examples"]) for one in accuracies] == [("test", 21)] * 4
    for run in RunFolder.all(studies.runs):
        events = [event for _, event in JournalReader(run.journal).events()]
        evaluated = [event for event in events if isinstance(event, Evaluated)]
        assert {event.examples for event in evaluated} == {6}
        _, card, errors = studies.command("runs", "export", str(run.path), "--format", "card")
        assert "split: test" in card, errors


def test_killed_at_any_point_and_started_again_it_repeats_no_finished_work(
    studies: Studies,
) -> None:
    studies.write(
        ('[vary.method."ICoT-SI"]', LONG),
        ('method.name = "no_cot"', ('method.name = "no_cot"\n' + LONG.split("\n", 1)[1])),
    )
    first = studies.start("--jobs", "2")
    for name in (NO_COT, STEPWISE):
        wait_for(lambda name=name: studies.count(name, CheckpointSaved) > 2)
        os.kill(studies.pid(name), signal.SIGSTOP)
    first.kill()
    first.wait()
    orphan = studies.pid(NO_COT)
    dead = studies.pid(STEPWISE)
    os.kill(dead, signal.SIGKILL)
    wait_for(lambda: not studies.run_folder(STEPWISE).is_locked())

    # The orphan is waited for, the dead one is gone on with, and both run once.
    second = studies.start("--jobs", "2")
    states = lambda: {(line["trial"], line["state"]) for line in studies.ledger()}  # noqa: E731
    wait_for(lambda: (NO_COT, "waiting") in states())
    wait_for(lambda: studies.count(STEPWISE, RunResumed) == 1)
    assert studies.count(NO_COT, RunStarted) == 1
    os.kill(orphan, signal.SIGCONT)
    _, errors = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, errors
    assert studies.finished(NO_COT)
    assert studies.finished(STEPWISE)
    assert [studies.count(NO_COT, kind) for kind in (RunStarted, RunResumed)] == [1, 0]
    assert [studies.count(STEPWISE, kind) for kind in (RunStarted, RunResumed)] == [1, 1]
    assert len(RunFolder.all(studies.runs)) == 2


def test_sigterm_saves_and_stops(studies: Studies) -> None:
    studies.write(('[vary.method."ICoT-SI"]', LONG.replace("900", "100000")))
    study = studies.start("--jobs", "1")
    wait_for(lambda: studies.count(STEPWISE, CheckpointSaved) > 1)
    study.send_signal(signal.SIGTERM)
    _, errors = study.communicate(timeout=PATIENCE)
    assert study.returncode == 0, errors
    assert "run the same command again to go on" in errors
    assert studies.finished(NO_COT)
    assert not studies.finished(STEPWISE)
    run = studies.run_folder(STEPWISE)
    last = RunSummary.of(JournalReader(run.journal).events())
    assert list_checkpoints(run.checkpoints)[-1].step == last.metrics.step
    assert studies.ledger()[-1]["state"] == "stopped"
    assert not run.is_locked()

"""`icot-tui study`, and how its trials stand."""

import json
import re
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from icot_tui import resources
from icot_tui.cli import headless
from icot_tui.cli.app import run
from icot_tui.cli.printer import Printer
from icot_tui.cli.study import StudyStop, report_problems
from icot_tui.cli.study_progress import StudyProgress, in_words, seconds_left
from icot_tui.engine.journal.events import Paused, RunEnded
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.new_run import create_run
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import make_plan
from icot_tui.studies.runner import Runner, TrialStatus
from icot_tui.studies.trial_process import make_worker_slots
from tests.cli.history import MEASURED, STARTED, TRAINED, Output, journal
from tests.studies.small import SMALL, small, write_study

pytestmark = pytest.mark.usefixtures("runs")


def test_without_a_name_the_studies_are_listed(capsys: Output) -> None:
    assert run(["study"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == list(resources.studies())
    assert run(["study", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["name"] for one in listed} == set(resources.studies())
    scales = {one["name"]: set(one["scales"]) for one in listed}
    assert scales.pop("compare-2x2") == {"cpu"}
    assert all(each == {"cpu", "gpu", "paper"} for each in scales.values())


def test_plan_prints_a_command_for_each_trial_and_runs_nothing(capsys: Output, runs: Path) -> None:
    assert run(["study", "ablation", "--seeds", "2", "--plan"]) == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 5 * 2
    assert all(command[:3] == ["icot-tui", "train", "mult-2x2-cpu"] for command in commands)
    assert all(command[-3:] == ["--once", "--runs", str(runs)] for command in commands)
    assert run(["study", "ablation", "--seeds", "2", "--plan", "--json"]) == 0
    trials = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [shlex.split(trial["command"]) for trial in trials] == commands
    assert len({trial["digest"] for trial in trials}) == 10
    assert not runs.exists()


def test_a_plan_keeps_to_the_folder_of_the_runs_and_trains_nothing_twice(
    capsys: Output, tmp_path: Path
) -> None:
    same = '[vary.method."ICoT-SI"]\n[vary.method."The same"]\n'
    path = write_study(tmp_path, SMALL.replace('[vary.method."ICoT-SI"]', same))
    for extra in ([], ["--json"]):
        assert run(["study", path.name, "--plan", "--runs", "other runs", *extra]) == 0
        lines = capsys.readouterr().out.splitlines()
        commands = [json.loads(line)["command"] for line in lines] if extra else lines
        names = [shlex.split(command)[4] for command in commands]
        assert names == ["small-cpu-no-cot-s0", "small-cpu-icot-si-s0"]
        for command in commands:
            assert shlex.split(command)[2] == str(tmp_path / "tiny.toml")
            assert shlex.split(command)[-2:] == ["--runs", str(tmp_path / "other runs")]


def test_of_a_study_that_trains_nothing_no_command_is_printed(capsys: Output) -> None:
    assert run(["study", "smoothing", "--plan"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "# smoothing trains nothing: there is no command\n")


def test_a_command_of_a_plan_goes_on_with_what_there_is(
    capsys: Output, runs: Path, tmp_path: Path
) -> None:
    path = write_study(tmp_path)
    trial = make_plan(small(tmp_path), "cpu").trials[0]
    folder = create_run(trial.config.model_copy(update={"name": "by-hand"}), runs)
    journal(folder, STARTED, RunEnded(step=30, reason="30 steps are done", finished=True))
    assert run(["study", str(path), "--plan"]) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[0])
    assert run(command[1:]) == 0
    assert capsys.readouterr().out == "run by-hand is finished: 30 steps are done\n"
    assert [one.name for one in RunFolder.all(runs)] == ["by-hand"]


def test_a_new_run_is_locked_before_it_is_prepared(
    capsys: Output, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(folder: RunFolder, *rest: object) -> None:
        assert RunFolder(folder.path).is_locked()
        raise UserError("no more than that")

    monkeypatch.setattr(headless, "_train", train)
    write_study(tmp_path)
    assert run(["train", "tiny.toml"]) == 2
    assert capsys.readouterr().err == "error: no more than that\n"
    assert RunFolder.all(runs) == []


def test_what_is_missing_in_the_end_is_told(capsys: Output, tmp_path: Path) -> None:
    trial = make_plan(small(tmp_path), "cpu").trials[0]
    results = SimpleNamespace(problem="")

    def report(stopped: bool, **facts: object) -> int:
        return report_problems([TrialStatus(trial=trial, **facts)], results, stopped)  # type: ignore[arg-type]

    assert report(False, state="finished") == 0
    assert capsys.readouterr().err == ""
    assert report(True, state="stopped", reason="stopped, and saved") == 0
    assert report(False, state="stopped", reason="stopped by somebody else") == 1
    assert "stopped: No CoT, seed 0: stopped by somebody else\n" in capsys.readouterr().err
    assert report(True, state="stopped", reason="no room", unsaved=True) == 1
    assert "stopped: No CoT, seed 0: no room\n" in capsys.readouterr().err


def test_once_stopped_nothing_new_is_measured() -> None:
    said: list[str] = []
    stop = StudyStop(said.append)
    stop.before_measurement("asking")
    stop.request()
    with pytest.raises(UserError, match="not measured"):
        stop.before_measurement("timing")
    assert said[0] == "asking"
    assert "timing" not in said
    with pytest.raises(KeyboardInterrupt):
        stop.request()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["abblation"], "there is no study abblation, neither a file nor a sample; did you mean"),
        (["ablation", "--scale", "huge"], "--scale must be one of cpu, gpu, paper, not 'huge'"),
        (["ablation", "--seeds", "0"], "--seeds"),
    ],
)
def test_bad_input_is_one_sentence(capsys: Output, arguments: list[str], sentence: str) -> None:
    assert run(["study", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_a_study_that_trains_nothing_is_done_at_once(capsys: Output, runs: Path) -> None:
    assert run(["study", "smoothing"]) == 0
    output = capsys.readouterr().out
    assert "4\t0.9817\t0.0187" in output
    assert "λ = 4" in output
    folder = runs / "studies" / "smoothing-cpu"
    assert "| 4 | 0.9817 | 0.0187 |" in (folder / "table.md").read_text()
    assert (folder / "figure.svg").is_file()
    assert run(["study", "smoothing", "--json"]) == 0
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert last["event"] == "StudyEnded"
    assert last["cost"]["runs"] == 0


def test_without_matplotlib_the_table_is_there_and_a_sentence(
    capsys: Output, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["study", "smoothing"]) == 0
    assert "pip install 'icot-tui[studies]'" in capsys.readouterr().err
    assert (runs / "studies" / "smoothing-cpu" / "table.md").is_file()


def test_a_file_of_ones_own(capsys: Output, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    path.write_text(path.read_text().replace("minutes = 0.5", 'minutes = "x"'))
    assert run(["study", str(path), "--plan"]) == 2
    assert re.search(r"small\.toml:\d+: scales\.cpu\.minutes must be", capsys.readouterr().err)


def test_attach_finds_a_study_and_only_looks_at_it(
    tmp_path: Path, runs: Path, capsys: Output
) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    folder = StudyFolder(runs, plan.name)
    folder.prepare(plan)
    for name in ("small-cpu", "small", str(folder.path)):
        assert run(["attach", name]) == 2
        assert "there is no terminal to draw on: 'icot-tui runs list'" in capsys.readouterr().err
        assert run(["attach", name, "--control"]) == 2
        assert "small-cpu is a study: name one of its runs" in capsys.readouterr().err
    assert run(["attach", "other"]) == 2
    assert "there is no run 'other'" in capsys.readouterr().err


def test_a_study_that_is_run_already_is_left_as_it_is(
    tmp_path: Path, runs: Path, capsys: Output
) -> None:
    path = write_study(tmp_path)
    first = StudyFolder(runs, "small-cpu")
    first.lock()
    assert run(["study", str(path)]) == 2
    assert "this study is being run already" in capsys.readouterr().err
    assert [file.name for file in first.path.iterdir()] == ["lock"]
    first.unlock()


def test_how_trials_stand_in_words(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    plan = make_plan(small(tmp_path), "cpu")
    folder = StudyFolder(runs, plan.name)
    folder.prepare(plan)
    runner = Runner(plan, folder, make_worker_slots([trial.config for trial in plan.trials], 2))
    first, second = runner.statuses
    assert in_words(first, None) == ["getting ready"]
    first.state, second.state = "training", "waiting"
    first.run = create_run(first.trial.config, runs)
    journal(first.run, STARTED, *TRAINED, MEASURED)
    first.began = time.monotonic() - 10
    summary = RunSummary(first.trial.config)
    for n, event in enumerate([STARTED, *TRAINED, MEASURED]):
        summary.add(float(n), event)
    words = in_words(first, summary)
    assert words[:3] == ["step 100", "removed 3 of 8", "exact match 75.0%"]
    summary.add(12.0, Paused(step=100, reason="writing failed: No space left on device"))
    assert in_words(first, summary)[0] == "paused: writing failed: No space left on device"
    assert in_words(second, None) == ["waiting for another process that trains it"]
    assert seconds_left(runner, lambda status: None) is None
    left = seconds_left(runner, lambda status: 20.0)
    assert left == pytest.approx((20 + 30) / 2, abs=1)

    outlet = _Captured()
    view = StudyProgress(plan, folder.path, Printer(outlet, live=True))  # type: ignore[arg-type]
    view.begin()
    view.refresh(runner)
    view.trained()
    view.close()
    for words in ("No CoT, seed 0", "removed 3 of 8", "0 of 2 trials over"):
        assert words in outlet.text


class _Captured:
    """An outlet that keeps what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

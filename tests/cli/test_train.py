"""The real command line in a real process: signals, exit status, what is printed."""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from icot_tui.cli.app import main
from icot_tui.cli.headless import handling_stop_signals
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    CommandDone,
    Event,
    RunEnded,
    RunResumed,
    StepsTrained,
    Unpaused,
    Warned,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.run_folder import RunFolder
from icot_tui.signals import ECHO_SECONDS
from tests.forked import PROGRAM, ForkedProcess
from tests.tiny import read_lines
from tests.tiny_file import tiny_toml

TINY = tiny_toml(max_steps=40, evaluate_every=20)
ENDLESS = ["--set", "train.max_steps=100000000", "--set", "evaluation.every_steps=100000000"]
PATIENCE = 200.0
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main_slow_to_save() -> None:
    """The program, whose every checkpoint but the first takes a minute."""
    save = Trainer.save
    Trainer.save = lambda trainer: time.sleep(60) if trainer.state.step else save(trainer)  # type: ignore[method-assign]
    main()


class Cli:
    """Runs commands in a folder of its own, and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str] | ForkedProcess] = []
        (folder / "tiny.toml").write_text(TINY)

    def start(
        self, *arguments: str, loading: bool = False, **options: Any
    ) -> "subprocess.Popen[str] | ForkedProcess":
        """Start a command: forked, unless it must load what it needs."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.folder)}
        how: dict[str, Any] = {"cwd": self.folder, "env": environment}
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process: subprocess.Popen[str] | ForkedProcess
        if loading:
            process = subprocess.Popen([*PROGRAM, *arguments], text=True, **how)
        else:
            process = ForkedProcess(arguments, **how)
        self.started.append(process)
        return process

    def run(self, *arguments: str, loading: bool = False) -> tuple[int, str, str]:
        """Run a command to its end: exit status, output, errors."""
        process = self.start(*arguments, loading=loading)
        output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors

    @property
    def run_folder(self) -> RunFolder:
        """The only run's."""
        return RunFolder(self.folder / "runs" / "tiny")

    def events(self) -> list[Event]:
        """The run's journal."""
        return [event for _, event in JournalReader(self.run_folder.journal).events()]

    def wait_for(self, seen: Callable[[Event], bool]) -> None:
        """Until the journal has such an event."""
        deadline = time.monotonic() + PATIENCE
        while not any(map(seen, self.events())):
            assert time.monotonic() < deadline, self.events()[-3:]
            time.sleep(0.05)

    def wait_for_step(self, step: int) -> None:
        """Until so many steps are done."""
        self.wait_for(lambda event: isinstance(event, StepsTrained) and event.step >= step)

    def status(self) -> str:
        """What the run does now."""
        summary = RunSummary.of(JournalReader(self.run_folder.journal).events())
        return summary.status(self.run_folder.is_locked(), time.time())


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    cli = Cli(tmp_path)
    yield cli
    for process in cli.started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_run_from_start_to_end(cli: Cli) -> None:
    status, output, errors = cli.run("train", "tiny.toml", loading=True)
    assert (status, errors) == (0, "")
    assert output.startswith("run folder  runs/tiny\n")
    assert "icot-tui resume runs/tiny" in output
    assert "the whole chain of thought is removed" in output
    assert "finished: 40 steps are done" in output
    assert "best checkpoint  runs/tiny/checkpoints/step-" in output
    assert cli.status() == "finished"

    status, output, _ = cli.run("resume")
    assert (status, output) == (0, "run tiny is finished: 40 steps are done\n")
    status, output, _ = cli.run("runs", "show", "--json")
    assert status == 0
    shown = json.loads(output)
    assert shown["status"] == "finished"
    assert [one["step"] for one in shown["evaluations"]] == [20, 40]


@pytest.mark.slow
def test_json_is_the_journal(cli: Cli) -> None:
    status, output, errors = cli.run("train", "tiny.toml", "--json")
    assert status == 0
    assert errors.startswith("run folder")
    printed = [json.loads(line) for line in output.splitlines()]
    written = read_lines(cli.run_folder)
    assert [line | {"time": 0} for line in printed] == [line | {"time": 0} for line in written]


@pytest.mark.slow
def test_quiet(cli: Cli) -> None:
    status, output, errors = cli.run("train", "tiny.toml", "--quiet", "--name", "7")
    assert (status, errors) == (0, "")
    assert output.startswith("run folder  runs/7\n")
    assert "step   " not in output


@pytest.mark.slow
def test_a_signal_saves_and_stops_and_resume_finishes(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS)
    cli.wait_for_step(30)
    process.terminate()
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert "stopping after this step, then saving" in output
    assert "resume           icot-tui resume runs/tiny" in output
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded)
    assert not ended.finished
    assert list_checkpoints(cli.run_folder.checkpoints)[-1].step == ended.step
    assert cli.status() == "stopped"

    config = cli.run_folder.config
    shorter = config.read_text().replace("max_steps = 100000000", f"max_steps = {ended.step + 20}")
    config.write_text(shorter)
    status, output, _ = cli.run("resume", "tiny")
    assert status == 0
    assert f"going on from step-{ended.step:08d} at step {ended.step}" in output.replace(",", "")
    assert cli.status() == "finished"
    assert cli.events()[-1].step == ended.step + 20


@pytest.mark.slow
def test_a_second_signal_stops_at_once(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, program=main_slow_to_save)
    cli.wait_for_step(30)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # a wrapper's echo
    cli.wait_for(lambda event: isinstance(event, CommandDone))
    time.sleep(2 * ECHO_SECONDS)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (1, "")
    assert "stopped without saving; to resume: icot-tui resume runs/tiny" in output
    assert cli.status() == "stopped"
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded)
    assert ended.reason == "stopped at once, without saving"

    process = cli.start("resume")
    cli.wait_for(lambda event: isinstance(event, RunResumed))
    process.terminate()
    assert process.wait(PATIENCE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("warning", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_scheduler_warns_and_then_terminates(cli: Cli, warning: int) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS)
    cli.wait_for_step(30)
    process.send_signal(warning)
    process.send_signal(signal.SIGTERM)  # while it saves
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert "to be continued" in output and "asked by the scheduler" in output
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded) and not ended.finished
    saved = [event for event in cli.events() if isinstance(event, CheckpointSaved)][-1]
    assert saved.step == ended.step


@pytest.mark.slow
def test_a_signal_before_anything_is_trained_leaves_nothing(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, loading=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(2 * ECHO_SECONDS)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "nothing was trained, so runs/tiny was removed" in output
    assert not cli.run_folder.path.exists()


@pytest.mark.slow
def test_a_dropped_link_stops_nothing(cli: Cli) -> None:
    master, slave = os.openpty()
    process = cli.start(
        "train",
        "tiny.toml",
        *ENDLESS,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    while select.select([master], [], [], PATIENCE)[0]:
        if b"started" in os.read(master, 65536):
            break
    process.send_signal(signal.SIGHUP)
    os.close(master)
    seen = max(event.step for event in cli.events())
    cli.wait_for_step(seen + 50)
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE) == 0
    log = cli.run_folder.log.read_text()
    assert "the terminal is gone; training goes on" in log
    assert "ended: stopped by command, after saving" in log


def test_an_ignored_signal_stays_ignored() -> None:
    """As under nohup, or in the background of a script."""
    queue = CommandQueue()
    said: list[str] = []
    before = {number: signal.signal(number, signal.SIG_IGN) for number in HANDLED}
    try:
        with handling_stop_signals(queue, said.append, lambda: said.append("gone")):
            for number in HANDLED:
                signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert said == []
    assert queue.take() == []


def test_signals_are_obeyed_and_then_as_before() -> None:
    queue = CommandQueue()
    said: list[str] = []
    before = {number: signal.getsignal(number) for number in HANDLED}
    with handling_stop_signals(queue, said.append, lambda: said.append("gone")):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert [type(command) for command in queue.take()] == [Stop]
        time.sleep(2 * ECHO_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said[0] == "gone"
    assert "once more" in said[1]
    assert {number: signal.getsignal(number) for number in HANDLED} == before


@pytest.mark.slow
def test_steering_from_another_process(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, stdout=subprocess.DEVNULL)
    cli.wait_for_step(10)
    for command, answer in [
        (["pause"], "paused at step"),
        (["save"], "saved at step"),
        (["resume"], "going on at step"),
        (["set-lr", "1e-3"], "peak learning rate 0.001"),
        (["hold"], "is held"),
    ]:
        status, output, errors = cli.run("ctl", *command)
        assert (status, errors) == (0, "")
        assert answer in output
    status, _, errors = cli.run("ctl", "resume")
    assert status == 1
    assert "the run is not paused" in errors
    status, _, errors = cli.run("resume")
    assert status == 2
    assert "run tiny is being trained already by process" in errors
    assert any(isinstance(event, Unpaused) for event in cli.events())
    assert cli.run("ctl", "stop")[0] == 0
    assert process.wait(PATIENCE) == 0
    assert cli.run("ctl", "pause")[0] == 1


@pytest.mark.slow
def test_stopping_without_saving_is_no_success(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, stdout=subprocess.DEVNULL)
    cli.wait_for_step(10)
    assert cli.run("ctl", "stop", "--now")[0] == 0
    assert process.wait(PATIENCE) == 1


@pytest.mark.slow
def test_a_killed_run_is_dead_and_so_is_one_that_fails(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS)
    cli.wait_for_step(10)
    assert cli.status() == "training"
    process.kill()
    process.communicate()
    assert cli.status() == "dead"

    state = list_checkpoints(cli.run_folder.checkpoints)[-1].path / "state.json"
    manifest = json.loads((state.parent / "manifest.json").read_text())
    broken = state.read_bytes().replace(b'"step"', b'"stop"')
    state.write_bytes(broken)
    manifest["state.json"]["sha256"] = hashlib.sha256(broken).hexdigest()
    (state.parent / "manifest.json").write_text(json.dumps(manifest))
    status, _, errors = cli.run("resume")
    assert status == 1
    assert len(errors.splitlines()) == 1
    last = cli.events()[-1]
    assert isinstance(last, Warned)
    assert "the training failed" in last.message
    assert cli.status() == "dead"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nowhere.toml"], "there is no config file"),
        (["train", "tiny.toml", "--set", "train.batchsize=4"], "did you mean train.batch_size"),
        (["train", "tiny.toml", "--set", "train.batch_size=4000"], "lower train.batch_size"),
        (["train", "tiny.toml", "--set", "train.device=cuda"], "CUDA"),
        (["train", "tiny.toml", "--name", "../up"], "name must be"),
        (["train", "tiny.toml", "--runs", "tiny.toml"], "cannot write the run folder"),
        (["resume"], "there is no run"),
        (["resume", "nobody"], "there is no run 'nobody'"),
        (["bench", "tiny.toml", "--steps", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    cli: Cli, arguments: list[str], sentence: str
) -> None:
    status, _, errors = cli.run(*arguments)
    assert status == 2
    assert sentence in errors
    assert len(errors.splitlines()) == 1
    assert list(cli.folder.glob("runs/*/*")) == []


@pytest.mark.slow
def test_a_data_file_that_is_missing(cli: Cli) -> None:
    config = (cli.folder / "tiny.toml").read_text()
    files = 'train = "gone.txt"\nvalidation = "gone.txt"\n'
    start, end = config.index("task ="), config.index("[model]")
    (cli.folder / "tiny.toml").write_text(config[:start] + files + config[end:])
    status, output, errors = cli.run("train", "tiny.toml")
    assert status == 2
    assert "gone.txt" in errors
    assert "was removed" in output


@pytest.mark.slow
def test_several_processes_print_once(cli: Cli) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cli.folder)}
    ran = subprocess.run(
        [sys.executable, *launch, "-m", "icot_tui", "train", "tiny.toml"],
        cwd=cli.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("finished: 40 steps are done") == 1
    assert ran.stdout.count("run folder") == 1
    assert [path.name for path in (cli.folder / "runs").iterdir() if path.is_dir()] == ["tiny"]
    assert cli.status() == "finished"


@pytest.mark.slow
def test_bench_leaves_no_run_behind(cli: Cli) -> None:
    status, output, errors = cli.run("bench", "tiny.toml", "--steps", "8", "--evaluate", "--json")
    assert (status, errors) == (0, "")
    measured = json.loads(output)
    assert measured["steps"] >= 8
    assert measured["steps_per_second"] > 0
    assert measured["evaluated_examples"] == 20
    assert measured["examples_per_second"] == pytest.approx(8 * measured["steps_per_second"])
    assert not (cli.folder / "runs").exists()

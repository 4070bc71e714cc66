"""Two real processes over gloo: the same losses as one, and the same exact resume."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from icot_tui.cli.app import main
from icot_tui.config.loading import dump_toml
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.run_folder import RunFolder
from tests.engine.ranks import main_slowly, run_ranks, started_ranks
from tests.engine.sharded import main_sharded
from tests.forked import ROOT
from tests.tiny import assert_same, final_tensors, news, read_lines, tiny, train_new

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Dropout would differ: each process draws its own.
CONFIG = tiny(
    model={"dropout": 0.0},
    train={"micro_batch_size": None},
    checkpoints={"keep": 1000, "every_steps": 5},
)


def accelerate(*arguments):
    """`icot-tui` in a process that Accelerate's launcher starts."""
    launcher = ["-m", "accelerate.commands.accelerate_cli", "launch", "--num_processes=2"]
    flags = ["--cpu", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    return subprocess.Popen(
        [sys.executable, *launcher, *flags, "-m", "icot_tui", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"},
        cwd=ROOT,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return train_new(tmp_path_factory.mktemp("one"), CONFIG)


@pytest.fixture(scope="module", params=[main, main_sharded])
def program(request):
    """Every process has the whole model (DDP), or a part of every block (FSDP)."""
    return request.param


@pytest.fixture(scope="module")
def two(tmp_path_factory, program):
    runs = tmp_path_factory.mktemp("two")
    config = runs / "config.toml"
    config.write_text(dump_toml(CONFIG))
    run_ranks("train", str(config), "--runs", str(runs), program=program)
    return RunFolder(runs / "tiny")


def losses(folder):
    return [
        loss for line in news(folder) if line["event"] == "StepsTrained" for loss in line["losses"]
    ]


def test_same_losses_as_one_process(one, two):
    assert len(losses(two)) == 30
    assert losses(two) == pytest.approx(losses(one), rel=1e-5, abs=1e-5)
    kinds = ("TokenRemoved", "Evaluated")
    for ours, theirs in zip(news(two), news(one), strict=True):
        assert ours["event"] == theirs["event"]
        if ours["event"] in kinds:
            assert ours.get("exact_match") == theirs.get("exact_match")
            assert (ours["step"], ours["stage"]) == (theirs["step"], theirs["stage"])
    assert len([line for line in read_lines(two) if line["event"] == "RunStarted"]) == 1


def test_exact_resume_of_two_processes(two, program, tmp_path):
    shutil.copytree(two.path, tmp_path / "tiny", ignore=shutil.ignore_patterns("lock"))
    folder = RunFolder(tmp_path / "tiny")
    for checkpoint in list_checkpoints(folder.checkpoints):
        if checkpoint.step > 14:
            shutil.rmtree(checkpoint.path)
    lines = folder.journal.read_text().splitlines(keepends=True)
    folder.journal.write_text("".join(line for line in lines if '"RunEnded"' not in line))
    run_ranks("resume", "tiny", "--runs", str(tmp_path), program=program)
    assert_same(final_tensors(folder), final_tensors(two))
    assert news(folder) == news(two)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
def test_two_processes_that_are_asked_to_stop_save_and_go_on_exactly(tmp_path, number):
    """Slurm, and launchers with SIGTERM, signal every process; one end is the same as another."""
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(CONFIG))
    run_ranks("train", str(config), "--runs", str(tmp_path), "--name", "whole")
    folder, whole = RunFolder(tmp_path / "tiny"), RunFolder(tmp_path / "whole")
    arguments = ("train", str(config), "--runs", str(tmp_path))
    with started_ranks(*arguments, program=main_slowly) as started:
        deadline = time.monotonic() + 120
        while not (folder.journal.exists() and "StepsTrained" in folder.journal.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for process in started:
            process.send_signal(number)
        said = [process.communicate(timeout=100) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert "to be continued" in said[0][0] or number == signal.SIGTERM
    ended, saved = read_lines(folder)[-1], list_checkpoints(folder.checkpoints)[-1]
    assert ended["event"] == "RunEnded" and not ended["finished"]
    assert 0 < ended["step"] == saved.step < 30
    run_ranks("resume", "tiny", "--runs", str(tmp_path))
    assert_same(final_tensors(folder), final_tensors(whole))


def test_accelerate_launch_stops_on_sigterm_and_goes_on(one, tmp_path):
    """(On CPUs Accelerate's own launcher starts one process.)"""
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(CONFIG.model_copy(update={"name": "stopped"})))
    process = accelerate("train", str(config), "--runs", str(tmp_path))
    journal = tmp_path / "stopped" / "journal.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and "StepsTrained" in journal.read_text()):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=100)
    run_ranks("resume", "stopped", "--runs", str(tmp_path), processes=1)
    folder = RunFolder(tmp_path / "stopped")
    assert read_lines(folder)[-1]["finished"]
    assert_same(final_tensors(folder), final_tensors(one))

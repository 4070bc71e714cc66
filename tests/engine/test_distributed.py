"""Two real processes over gloo: the same losses as one, and the same exact resume."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from icot_tui.cli.app import main
from icot_tui.config.loading import dump_toml
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.run_folder import RunFolder
from tests.engine.ranks import main_slowly, run_ranks, started_ranks
from tests.engine.sharded import main_sharded
from tests.families.configs import tiny_model
from tests.families.features import config_of
from tests.forked import ROOT
from tests.tiny import assert_same, final_tensors, news, read_lines, tiny, train_new

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Dropout would differ: each process draws its own.
CONFIG = tiny(
    model={"dropout": 0.0},
    train={"micro_batch_size": None},
    checkpoints={"keep": 1000, "every_steps": 5},
)


ENDLESS = {
    "train": {"micro_batch_size": None, "max_steps": 10**8},
    "evaluation": {"every_steps": 10**8},
    "checkpoints": {"every_steps": 10**8, "before_removal": False},
}


def accelerate(kind, *arguments):
    """`icot-tui` in processes that Accelerate's launcher starts: one with --cpu, two without."""
    launcher = ["-m", "accelerate.commands.accelerate_cli", "launch", "--num_processes=2"]
    flags = [kind, "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = f"--main_process_port={free.getsockname()[1]}"
    environment = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, *launcher, *flags, port, "-m", "icot_tui", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
        cwd=ROOT,
        start_new_session=True,
    )


def wait_until(seen, still=lambda: True):
    deadline = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < deadline and still()
        time.sleep(0.01)


def has_trained(folder):
    return folder.journal.exists() and "StepsTrained" in folder.journal.read_text()


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
    uncounted = ("ComputeCounted",)  # of a sharded model
    for ours, theirs in zip(news(two, uncounted), news(one, uncounted), strict=True):
        assert ours["event"] == theirs["event"]
        if ours["event"] in kinds:
            assert ours.get("exact_match") == theirs.get("exact_match")
            assert (ours["step"], ours["stage"]) == (theirs["step"], theirs["stage"])
    assert len([line for line in read_lines(two) if line["event"] == "RunStarted"]) == 1


def test_two_processes_train_a_model_some_of_whose_weights_get_no_gradient(tmp_path):
    tiny_model("bart").save_pretrained(tmp_path / "model")
    config = config_of(tmp_path / "model", model={"dropout": 0.0}, train={"batch_size": 8})
    (tmp_path / "config.toml").write_text(dump_toml(config))
    run_ranks("train", str(tmp_path / "config.toml"), "--runs", str(tmp_path))
    alone = losses(train_new(tmp_path / "alone", config))
    assert losses(RunFolder(tmp_path / "tiny")) == pytest.approx(alone, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("method", "title"),
    [("coconut", "Coconut"), ("codi", "CODI"), ("running_sums", "running sums")],
)
def test_methods_that_need_the_whole_model_refuse_a_part_of_it(tmp_path, method, title):
    curriculum = {"keep_positions": False}
    if method == "coconut":
        curriculum["unit"] = "step"
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(tiny(method={"name": method}, curriculum=curriculum)))
    with pytest.raises(AssertionError, match=f"{title} needs the whole model in each process"):
        run_ranks("train", str(config), "--runs", str(tmp_path), program=main_sharded)


def test_two_processes_compute_together_what_one_does(one, two, program):
    counted = [
        [line["flops"] for line in news(run) if line["event"] == "ComputeCounted"]
        for run in (one, two)
    ]
    assert len(counted[0]) == 9
    sharded = program is main_sharded  # then nothing is counted
    filled_up = 0.01  # rows that complete a process's share of an odd batch
    assert counted[1] == ([] if sharded else pytest.approx(counted[0], rel=filled_up))


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


@pytest.mark.parametrize("ranks", [(0, 1), (1,)])
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
def test_two_processes_that_are_asked_to_stop_save_and_go_on_exactly(tmp_path, number, ranks):
    """Slurm, and launchers with SIGTERM, signal every process; a node that goes, only its own."""
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(CONFIG))
    run_ranks("train", str(config), "--runs", str(tmp_path), "--name", "whole")
    folder, whole = RunFolder(tmp_path / "tiny"), RunFolder(tmp_path / "whole")
    arguments = ("train", str(config), "--runs", str(tmp_path))
    with started_ranks(*arguments, program=main_slowly) as started:
        wait_until(lambda: has_trained(folder))
        for rank in ranks:
            started[rank].send_signal(number)
        said = [process.communicate(timeout=100) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert "to be continued" in said[0][0] or (number, ranks) == (signal.SIGTERM, (0, 1))
    ended, saved = read_lines(folder)[-1], list_checkpoints(folder.checkpoints)[-1]
    assert ended["event"] == "RunEnded" and not ended["finished"]
    assert 0 < ended["step"] == saved.step < 30
    run_ranks("resume", "tiny", "--runs", str(tmp_path))
    assert_same(final_tensors(folder), final_tensors(whole))


def test_accelerate_launch_stops_on_sigterm_and_goes_on(one, tmp_path):
    """(On CPUs Accelerate's own launcher starts one process.)"""
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(CONFIG.model_copy(update={"name": "stopped"})))
    process = accelerate("--cpu", "train", str(config), "--runs", str(tmp_path))
    folder = RunFolder(tmp_path / "stopped")
    wait_until(lambda: has_trained(folder), lambda: process.poll() is None)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=100)
    run_ranks("resume", "stopped", "--runs", str(tmp_path), processes=1)
    assert read_lines(folder)[-1]["finished"]
    assert_same(final_tensors(folder), final_tensors(one))


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGUSR1, -signal.SIGUSR1)],
)
def test_what_ends_a_launcher_alone_loses_nothing(tmp_path, number, status):
    """It hands on what it handles, and kills its processes 30 s later; USR1 kills it itself."""
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(tiny(model={"dropout": 0.0}, **ENDLESS)))
    folder = RunFolder(tmp_path / "tiny")
    process = accelerate("--multi_gpu", "train", str(config), "--runs", str(tmp_path))
    try:
        wait_until(lambda: has_trained(folder), lambda: process.poll() is None)
        process.send_signal(number)
        said, _ = process.communicate(timeout=100)  # its processes have the same output
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == status, said
    ended = read_lines(folder)[-1]
    assert ended["event"] == "RunEnded", said
    assert list_checkpoints(folder.checkpoints)[-1].step == ended["step"] > 0
    assert ("to be continued" in said) == (number != signal.SIGTERM)
    assert not folder.is_locked()

    more = f"max_steps = {ended['step'] + 5}"
    shorter = folder.config.read_text().replace("max_steps = 100000000", more)
    for path in (folder.config, config):
        path.write_text(shorter)
    run_ranks("resume", "tiny", "--runs", str(tmp_path))
    run_ranks("train", str(config), "--runs", str(tmp_path), "--name", "whole")
    assert_same(final_tensors(folder), final_tensors(RunFolder(tmp_path / "whole")))

"""Studies on a Ray cluster: a real one of two nodes, of which one is killed."""

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from icot_tui.cli.app import run
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import CheckpointSaved, RunResumed, RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.errors import UserError
from icot_tui.studies.cluster import ClusterTrainer, train_here
from icot_tui.studies.existing_runs import lock_training
from tests.studies.processes import LONG, NO_COT, PATIENCE, STEPWISE, Studies, wait_for
from tests.studies.small import write_study
from tests.tiny import assert_same, final_tensors

pytestmark = pytest.mark.slow

TOKEN = secrets.token_hex(16)
"""Ray asks for it, and keeps it for as long as a process lasts."""
NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 << 20}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One of one node, that nobody else may use."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.mark.timeout(300)
def test_a_lost_node_loses_nothing_and_repeats_no_finished_work(
    cluster: Any, studies: Studies
) -> None:
    node = cluster.add_node(**NODE)
    (raylet,) = node.all_processes["raylet"]
    heading, changes = LONG.replace("900", "300").split("\n", 1)
    no_cot = 'method.name = "no_cot"\n'
    studies.write((heading, f"{heading}\n{changes}"), (no_cot, no_cot + changes + "\n"))
    study = studies.start("--on", cluster.address)
    trainers = {}
    for name in (NO_COT, STEPWISE):
        wait_for(lambda name=name: studies.count(name, CheckpointSaved) > 2)
        trainers[name] = psutil.Process(studies.pid(name))
        trainers[name].suspend()
    (lost,) = [name for name in trainers if trainers[name].ppid() == raylet.process.pid]
    cluster.remove_node(node, allow_graceful=False)
    trainers.pop(lost).kill()  # as all that runs on a node whose power fails
    for trainer in trainers.values():
        trainer.resume()
    _, errors = study.communicate(timeout=PATIENCE)
    assert study.returncode == 0, errors

    for name in (NO_COT, STEPWISE):
        assert studies.finished(name)
        assert studies.count(name, RunStarted) == 1
        assert studies.count(name, RunResumed) == (name == lost)
    events = JournalReader(studies.run_folder(lost).journal).events()
    assert [event.step > 0 for _, event in events if isinstance(event, RunResumed)] == [True]
    told = [(line["state"], line["reason"]) for line in studies.ledger() if line["trial"] == lost]
    assert [state for state, _ in told] == ["training", "waiting", "training", "finished"]
    assert told[1][1].startswith("its worker was lost")
    assert len(studies.results()["table"]) == 2


def test_sigterm_saves_what_trains_on_the_cluster_and_stops(cluster: Any, studies: Studies) -> None:
    only = '[vary.method."No CoT"]\nmethod.name = "no_cot"\n'
    studies.write((only, ""), ('[vary.method."ICoT-SI"]', LONG.replace("900", "100000")))
    study = studies.start("--on", cluster.address)
    wait_for(lambda: studies.count(STEPWISE, CheckpointSaved) > 1)
    study.send_signal(signal.SIGTERM)
    _, errors = study.communicate(timeout=PATIENCE)
    assert study.returncode == 0, errors
    assert not studies.finished(STEPWISE)
    stepwise = studies.run_folder(STEPWISE)
    last = RunSummary.of(JournalReader(stepwise.journal).events())
    assert list_checkpoints(stepwise.checkpoints)[-1].step == last.metrics.step
    assert not stepwise.is_locked()


def test_a_node_that_does_not_share_the_runs_says_so(tmp_path: Path) -> None:
    log = tmp_path / "nowhere" / "log.txt"
    with pytest.raises(UserError, match=r"cannot write .*nowhere.*all nodes must share the folder"):
        train_here([], {}, str(log), str(tmp_path / "elsewhere"))


def test_a_cluster_that_is_gone_ends_the_study_with_a_sentence(tmp_path: Path) -> None:
    class Gone:
        def wait(self, tasks: list[object], timeout: float) -> None:
            raise ConnectionError("Client is shutting down.")

    held = lock_training(tmp_path, "digest")
    assert held is not None
    trainer = ClusterTrainer(
        ray=Gone(),
        task=None,
        slot={},
        lock=held,
        log=tmp_path / "log",
        log_start=0,
        resumed=None,
    )
    with pytest.raises(UserError, match=r"the Ray cluster is gone .*run the same command again"):
        trainer.poll()


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("rey", 2, "--on must be local, ray, ray://HOST:PORT or HOST:PORT, not 'rey'"),
        ("ray://a..b:1", 2, "--on must be local, ray, ray://HOST:PORT or HOST:PORT, not 'ray://a"),
        ("ray://127.0.0.1:9", 1, "no Ray cluster could be reached at ray://127.0.0.1:9: "),
    ],
)
def test_an_address_where_no_cluster_is(
    studies: Studies, capsys: pytest.CaptureFixture[str], address: str, status: int, sentence: str
) -> None:
    path = write_study(studies.folder)
    assert run(["study", str(path), "--on", address, "--runs", str(studies.runs)]) == status
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {sentence}")


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("rey", 2, "RAY_ADDRESS must be local, auto, ray://HOST:PORT or HOST:PORT, not 'rey'"),
        ("127.0.0.1:9", 1, "no Ray cluster could be reached at 127.0.0.1:9: "),
    ],
)
def test_an_address_that_ray_was_told_of_is_tried_at_once(
    studies: Studies,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    status: int,
    sentence: str,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    path = write_study(studies.folder)
    assert run(["study", str(path), "--on", "ray", "--runs", str(studies.runs)]) == status
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {sentence}")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_preempted_trial_on_the_cluster_is_saved_and_goes_on_exactly(
    cluster: Any, studies: Studies, number: int
) -> None:
    only = '[vary.method."No CoT"]\nmethod.name = "no_cot"\n'
    studies.write((only, ""), ('[vary.method."ICoT-SI"]', LONG.replace("900", "300")))
    study = studies.start("--on", cluster.address)
    wait_for(lambda: studies.count(STEPWISE, CheckpointSaved) > 1)
    os.kill(studies.pid(STEPWISE), number)  # the worker itself
    output, _ = study.communicate(timeout=PATIENCE)
    assert study.returncode == 1
    assert "stopped by somebody else, and saved: start the study again to go on" in output
    folder = studies.run_folder(STEPWISE)
    saved = list_checkpoints(folder.checkpoints)[-1].step
    assert 0 < saved < 300
    assert studies.run("--on", cluster.address)[0] == 0
    assert studies.finished(STEPWISE)
    events = JournalReader(folder.journal).events()
    assert [event.step for _, event in events if isinstance(event, RunResumed)] == [saved]
    config = studies.study / "trials" / f"{STEPWISE}.toml"
    assert studies.command("train", str(config), "--name", "whole", "--quiet")[0] == 0
    assert_same(final_tensors(folder), final_tensors(studies.run_folder("whole")))

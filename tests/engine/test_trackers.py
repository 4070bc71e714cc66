"""Trackers get what happens, live and afterwards: the real libraries, offline.

Those that are not installed here are skipped: pip install 'icot-tui[trackers]' has them all.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from icot_tui.api import train
from icot_tui.cli.app import run as icot_tui
from icot_tui.engine.journal.events import (
    LossSpike,
    OptimizerReset,
    RunResumed,
    SpikeRecovered,
    UpdatesSkipped,
)
from icot_tui.engine.journal.tracker_clients import (
    CLIENTS,
    TensorBoard,
    TrackedRun,
    open_tracker,
)
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.notes import Notes, write_notes
from icot_tui.runs.session import RunExecutor
from tests.events import STARTED, evaluated, probed, removed, saved, trained
from tests.tiny import news, tiny, train_new
from tests.watch.runs import make

Curves = dict[str, list[tuple[int, float]]]
EVENTS = [
    STARTED,
    trained(1, losses=[2.0], loss_parts={"student": 1.5, "teacher": 0.5}),
    trained(3, losses=[None, 1.5], loss_parts={"student": None, "teacher": 1.0}),
    saved(3),
    trained(4, losses=[9.0]),  # the resume undoes this
    RunResumed(step=3, checkpoint="step-00000003"),
    removed(3, 1),
    OptimizerReset(step=3, cause="a token was removed"),
    trained(4, stage=1, losses=[None]),
    UpdatesSkipped(step=4, skipped=2, in_a_row=2),
    LossSpike(step=4, spike=1, removal=1, baseline=1.0, loss=3.0),
    trained(5, stage=1, losses=[1.0]),
    SpikeRecovered(step=5, spike=1, removal=1, height=2.0, steps=1),
    evaluated(5, 0.75, stage=1),
    probed(5, 1),
]
EXPECTED = {
    "loss": [(1, 2.0), (3, 1.5), (5, 1.0)],
    "loss_parts/student": [(1, 1.5)],
    "loss_parts/teacher": [(1, 0.5), (3, 1.0)],
    "removed_tokens": [(3, 1.0)],
    "optimizer_resets": [(3, 1.0)],
    "skipped_updates": [(4, 2.0)],
    "spikes": [(4, 1.0)],
    "recovery_steps": [(5, 1.0)],
    "exact_match": [(5, 0.75)],
    "digit_accuracy/1": [(5, 0.75)],
    "readable": [(5, 0.75)],
}
SAMPLE = {
    "index": 0, "kind": "best", "correct": True, "loss": 0.1, "input": "12*34", "cot": "48+360",
    "answer": "408", "model_cot": "", "model_answer": "408", "tokens": ["4"], "confidence": [1.0],
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    events = [*EVENTS[:-2], evaluated(5, 0.75, samples="step-00000005.jsonl", stage=1), EVENTS[-1]]
    folder = make(tmp_path / "runs", events=events)
    (folder.samples / "step-00000005.jsonl").write_text(json.dumps(SAMPLE) + "\n")
    write_notes(folder, Notes(tags=("paper",)))
    return folder


def export(to: str, tmp_path: Path) -> None:
    library = CLIENTS[to][0]
    pytest.importorskip(library, reason=f"{library} is not installed")
    arguments = ["runs", "export", "run", "--to", to, "--runs", str(tmp_path / "runs")]
    assert icot_tui([*arguments, "--out", str(tmp_path / "out")]) == 0


def check_curves(found: Curves) -> None:
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert {"stage", "learning_rate", "gradient_norm", "validation_loss"} <= found.keys()


@pytest.mark.slow
def test_tensorboard_gets_a_past_run(run: RunFolder, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export("tensorboard", tmp_path)
    reader = EventAccumulator(str(tmp_path / "out" / "run"))
    reader.Reload()
    scalars = reader.Tags()["scalars"]
    check_curves(
        {name: [(one.step, one.value) for one in reader.Scalars(name)] for name in scalars}
    )
    texts = {
        name.removesuffix("/text_summary"): reader.Tensors(name)[-1].tensor_proto.string_val[0]
        for name in reader.Tags()["tensors"]
    }
    assert b"paper" in texts["config"] and b"12\\*34" in texts["samples"].replace(b"*", b"\\*")
    assert b"exact match" in texts["model_card"]


@pytest.mark.slow
def test_tensorboard_gets_no_point_twice(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["runs", "export", "run", "--to", "tensorboard", "--runs", str(tmp_path / "runs")]
    assert icot_tui(arguments) == 0
    folder = run.path / "icot-tui"
    assert capsys.readouterr().out.splitlines() == [
        f"exported run to tensorboard, in {folder}",
        f"look at it with: tensorboard --samples_per_plugin scalars=1000000 --logdir {folder}",
    ]
    written = list(folder.iterdir())
    assert len(written) == 1
    assert icot_tui(arguments) == 2
    assert f"{folder} has events of this run already" in capsys.readouterr().err
    assert list(folder.iterdir()) == written


@pytest.mark.slow
def test_mlflow_gets_a_past_run(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    export("mlflow", tmp_path)
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("icot-tui")
    (found,) = client.search_runs([experiment.experiment_id])
    check_curves(
        {
            name: [
                (one.step, one.value) for one in client.get_metric_history(found.info.run_id, name)
            ]
            for name in found.data.metrics
        }
    )
    assert found.info.run_name == "run" and found.info.status == "FINISHED"
    assert found.data.tags["paper"] == "true" and found.data.params["name"] == "demo"
    assert {one.path for one in client.list_artifacts(found.info.run_id)} == {
        "model_card.md", "samples",
    }  # fmt: skip


@pytest.mark.slow
def test_trackio_gets_a_past_run(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    export("trackio", tmp_path)
    from trackio.sqlite_storage import SQLiteStorage

    curves: Curves = {}
    logs = SQLiteStorage.get_logs("icot-tui", "run")
    for line in logs:
        for name, value in line.items():
            if isinstance(value, float | int):
                curves.setdefault(name, []).append((line["step"], float(value)))
    check_curves(curves)
    (table,) = [line["samples"] for line in logs if "samples" in line]
    assert table["_value"][0]["question"] == "12*34"
    assert any("model_card" in line for line in logs)


@pytest.mark.slow
def test_wandb_gets_a_past_run(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    export("wandb", tmp_path)
    from wandb.proto import wandb_internal_pb2

    (file,) = (tmp_path / "out").rglob("*.wandb")
    curves: Curves = {}
    texts: list[str] = []
    for raw in wandb_records(file):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(raw)
        if record.HasField("run"):
            assert record.run.display_name == "run" and "paper" in record.run.tags
        texts.append(str(record))
        values = {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for item in record.history.item
        }
        for name, value in values.items():
            if isinstance(value, float | int):
                curves.setdefault(name, []).append((values["_step"], float(value)))
    check_curves(curves)
    assert any("model_card" in text for text in texts)
    (table,) = (tmp_path / "out").rglob("*.table.json")
    assert "12*34" in table.read_text()


def wandb_records(file: Path) -> Iterator[bytes]:
    """The records of an offline run: LevelDB's log format after seven bytes."""
    raw, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(raw):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", raw[at : at + 7])
        whole += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


@pytest.mark.slow
def test_tensorboard_has_losses_and_accuracy(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing import event_accumulator as reader

    config = tiny(trackers={"names": ["tensorboard"], "project": "mine"})
    folder = RunFolder(train(config, runs=tmp_path).path)
    events = reader.EventAccumulator(str(folder.path / "mine"))
    events.Reload()
    tags = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    found = [line for line in news(folder) if line["event"] == "Evaluated"]
    assert [event.step for event in tags["exact_match"]] == [line["step"] for line in found]
    assert tags["stage"][-1].value == 8
    assert {"loss", "learning_rate", "validation_loss", "gradient_norm"} <= tags.keys()
    assert tags["removed_tokens"][-1].value == 8
    assert "samples/text_summary" in events.Tags()["tensors"]
    (card,) = events.Tensors("model_card/text_summary")
    assert b"exact match" in card.tensor_proto.string_val[0]


def test_a_resume_is_another_run_of_tensorboard(tmp_path: Path) -> None:
    """In one folder, the first start's points stay in curves that get none at later steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = TrackedRun(name="r", project="p", config={}, tags=(), files=tmp_path)
    for start in (1, 2, 3):
        board = open_tracker("tensorboard", run)
        board.log({"loss": start}, step=10 // start, time=0.0)
        board.close(failed=False)
    for folder, loss in ((tmp_path, 1), (tmp_path / "start-2", 2), (tmp_path / "start-3", 3)):
        reader = EventAccumulator(str(folder))
        reader.Reload()
        assert [point.value for point in reader.Scalars("loss")] == [loss]


def test_a_tracker_that_fails_is_given_up_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from icot_tui.engine.journal.trackers import Trackers

    run = TrackedRun(name="r", project="p", config={}, tags=(), files=tmp_path / "tb")
    trackers = Trackers({"tensorboard": open_tracker("tensorboard", run)}, tmp_path)
    trackers.close()
    trackers = Trackers({"tensorboard": object()}, tmp_path)  # type: ignore[dict-item]
    trackers.write(0.0, trained(1))
    trackers.write(0.0, trained(2))
    assert capsys.readouterr().err.count("the tracker tensorboard gets no more") == 1


@pytest.mark.parametrize("fails", [True, False])
def test_a_training_that_fails_is_no_finished_run(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    class Told(TensorBoard):
        def close(self, failed: bool) -> None:
            told.append(failed)
            super().close(failed)

    monkeypatch.setitem(CLIENTS, "tensorboard", ("tensorboard", Told))
    if fails:
        monkeypatch.setattr(RunExecutor, "train", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        train_new(tmp_path, tiny(trackers={"names": ["tensorboard"]}, train={"max_steps": 1}))
    assert told == [fails]


def test_missing_tracker_is_told(tmp_path: Path) -> None:
    import importlib.util

    absent = [name for name in ("wandb", "mlflow") if importlib.util.find_spec(name) is None]
    if not absent:
        pytest.skip("every tracker is installed")
    with pytest.raises(UserError, match=f"{absent[0]} is not installed"):
        train_new(tmp_path, tiny(trackers={"names": [absent[0]]}))

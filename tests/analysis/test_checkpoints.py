"""Finding, cataloguing and keeping checkpoints; a budget of thought; reports kept."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from icot_tui.analysis import probe_store
from icot_tui.analysis.budget import sweep
from icot_tui.analysis.checkpoints import find_checkpoint, newest_of_each_stage, run_entries
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.model_cache import ModelCache, open_safely
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.engine.checkpoints.opened import GivenRemoval
from icot_tui.engine.journal.events import CheckpointSaved, Evaluated, RunStarted
from icot_tui.engine.journal.journal import Journal
from icot_tui.errors import UserError
from tests.analysis.made import add_checkpoint, make_config, make_run, random_model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Five checkpoints at stages 8, 0, 3, 8, 3 (by age), the first four evaluated."""
    runs = tmp_path_factory.mktemp("runs")
    config = make_config(name="five", curriculum={"side": "random", "keep_positions": False})
    run = make_run(runs, config)
    journal = Journal(run.journal)
    journal.write(
        RunStarted(
            step=0,
            name="five",
            method="ICoT-SI",
            version="0",
            device="cpu",
            processes=1,
            parameters=1,
            train_examples=500,
            validation_examples=400,
            steps_per_epoch=15,
            max_cot_tokens=8,
        )
    )
    for number, (stage, accuracy) in enumerate([(0, 0.9), (0, 0.95), (3, 0.6), (8, 0.2), (8, 0.1)]):
        step = 10 * number
        path = add_checkpoint(run, config, random_model(config, number, 8.0), stage, step)
        journal.write(CheckpointSaved(step=step, path=path.name, stage=stage, bytes=1, seconds=0.1))
        if number < 4:
            journal.write(
                Evaluated(
                    step=step,
                    stage=stage,
                    implicit=stage == 8,
                    exact_match=accuracy,
                    low=0,
                    high=1,
                    examples=400,
                    loss=1.0,
                    token_accuracy=[],
                    best=0.9,
                    seconds=1.0,
                    samples="",
                )
            )
    journal.close()
    return run


def test_the_catalogue_is_sorted_by_stage_with_accuracy(run):
    entries = run_entries(run)
    assert [(entry.stage, entry.step, entry.exact_match) for entry in entries] == [
        (0, 0, 0.9), (0, 10, 0.95), (3, 20, 0.6), (8, 30, 0.2), (8, 40, None)
    ]  # fmt: skip
    assert [entry.implicit for entry in entries] == [False, False, False, True, True]
    assert [entry.step for entry in entries if entry.best] == [30]  # implicit before all others
    assert [entry.step for entry in entries if entry.latest] == [40]
    assert [entry.step for entry in newest_of_each_stage(entries)] == [10, 20, 40]


def test_checkpoints_are_found_by_run_stage_age_and_folder(run):
    runs = run.path.parent
    assert find_checkpoint("five", runs) == run.path
    assert find_checkpoint("five@latest", runs) == run.path
    assert find_checkpoint("five@best", runs).name == "step-00000030"
    assert find_checkpoint("five@0", runs).name == "step-00000010"
    assert find_checkpoint("five@step-00000000", runs).name == "step-00000000"
    folder = run.checkpoints / "step-00000020"
    assert find_checkpoint(str(folder), runs) == folder
    with pytest.raises(UserError, match="no checkpoint '@5': its stages are 0, 3, 8"):
        find_checkpoint("five@5", runs)
    with pytest.raises(UserError, match="no run 'six@5'"):
        find_checkpoint("six@5", runs)


@pytest.mark.parametrize("file", ["state.json", "manifest.json"])
def test_no_other_checkpoint_stands_for_a_damaged_one(run, tmp_path, file):
    """`@best` and `@STAGE` name the one that was meant, whose opening says what is wrong."""
    runs = tmp_path / "runs"
    shutil.copytree(run.path, runs / "five")
    newest = runs / "five/checkpoints/step-00000040"
    (newest / file).write_text("{")
    assert find_checkpoint("five@best", runs).name == "step-00000030"
    if file == "manifest.json":
        assert find_checkpoint("five@8", runs) == newest
    else:  # nor does anything else in this folder tell its stage
        said = "step-00000040 of run five is damaged, so that what @8 is can't be known: name a"
        with pytest.raises(UserError, match=said):
            find_checkpoint("five@8", runs)
    with pytest.raises(UserError, match="cannot be used"):
        open_safely(find_checkpoint("five@step-00000040", runs))


def test_the_best_checkpoint_is_named_though_it_is_damaged(run, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(run.path, runs / "five")
    best = runs / "five/checkpoints/step-00000030"
    (best / "manifest.json").unlink()
    assert find_checkpoint("five@best", runs) == best
    (best / "state.json").unlink()
    with pytest.raises(UserError, match="what @best is can't be known"):
        find_checkpoint("five@best", runs)


def test_the_order_of_a_random_side_is_that_of_training(run):
    plan = open_safely(run.path).token_format().plan
    assert sorted(plan.removal_order(8)) == list(range(8))
    assert plan.order is not None and len(plan.order) == 8


@pytest.mark.slow
def test_checkpoints_are_kept_open_within_the_limit(run):
    paths = [entry.path for entry in run_entries(run)]
    kept = ModelCache()
    first = kept.open(paths[0])
    assert kept.open(paths[0]) is first
    for path in paths:
        kept.open(path)
    assert len(kept) == 5
    few = ModelCache(memory_limit=2 * first.bytes)
    one, two = few.open(paths[0]), few.open(paths[1])
    assert few.open(paths[0]) is one  # used last
    few.open(paths[2])
    assert len(few) == 2
    assert few.open(paths[0]) is one
    assert few.open(paths[1]) is not two
    assert len(ModelCache(memory_limit=0)._kept) == 0


def test_a_run_s_folder_stands_for_its_newest_checkpoint(run):
    kept = ModelCache()
    assert kept.open(run.path) is kept.open(run.checkpoints / "step-00000040")


def test_damaged_and_unfinished_checkpoints_are_one_sentence(run, tmp_path):
    copy = tmp_path / "step-00000040"
    shutil.copytree(run.checkpoints / "step-00000040", copy)
    (copy / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"cannot be used: model\.safetensors has 4 bytes"):
        open_safely(copy)
    with pytest.raises(UserError, match="is being written or deleted"):
        open_safely(tmp_path / ".writing-step-00000050")
    with pytest.raises(UserError, match="there is no checkpoint folder"):
        open_safely(tmp_path / "gone")


@pytest.mark.slow
def test_the_sweep_has_a_point_for_each_budget(carries):
    split = load_examples(carries, 10).split(carries)
    points = sweep(carries, split)
    assert [(point.written, point.stage) for point in points] == [(8 - s, s) for s in range(9)]
    assert all(point.examples_per_second > 0 and point.examples == 10 for point in points)


def test_examples_are_held_out_ones_first(carries):
    few, many = load_examples(carries, 400), load_examples(carries, 500)
    assert (few.count, few.trained_on, few.notes) == (400, 0, [])
    assert (many.count, many.trained_on) == (500, 100)
    assert many.text.text.startswith(few.text.text)
    assert "100 of the 500 examples are training examples" in many.notes[0]


@pytest.mark.slow
def test_a_report_is_kept_with_its_checkpoint_and_read_back(carries, examples, tmp_path):
    report = run_probes(carries, examples, settings=ProbeSettings(targets=("z1", "z2")))
    folder = tmp_path / "checkpoint"
    shutil.copytree(carries.opened.path, folder)
    name = probe_store.key(folder, {"examples": 800})
    assert probe_store.load(folder, name) is None
    path = probe_store.save(report, folder, name)
    assert path.parent == folder / "analysis"
    back = probe_store.load(folder, name)
    assert back is not None
    for field in ("scores", "errors", "patched", "supported", "accuracy", "margins", "encoded"):
        assert np.array_equal(getattr(back, field), getattr(report, field), equal_nan=True), field
    assert back.controls.keys() == report.controls.keys()
    assert replace(back, **{f: None for f in ("scores", "errors")}).targets == report.targets
    assert back.notes == report.notes and len(back.notes) == 1
    open_safely(folder, GivenRemoval("left", False))  # still whole

    assert probe_store.key(folder, {"examples": 801}) != name
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(b"others")
    assert probe_store.key(folder, {"examples": 800}) != name
    path.write_text(json.dumps({"targets": []}))
    assert probe_store.load(folder, name) is None

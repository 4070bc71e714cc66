"""The real command line in a real process: exit status, what is printed."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import (
    Unpaused,
    Warned,
)
from tests.cli.training import ENDLESS, PATIENCE, Cli
from tests.families.configs import tiny_model
from tests.tiny import read_lines


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
def test_steering_from_another_process(cli: Cli) -> None:
    slow = ("--set", "curriculum.max_steps=1000000", "--set", "curriculum.gate_loss=1e-9")
    process = cli.start("train", "tiny.toml", *ENDLESS, *slow, stdout=subprocess.DEVNULL)
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
    assert status == 2
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
        (["train", "tiny.toml", "--set", "model.width=1000000000"], "there is no memory for"),
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
@pytest.mark.parametrize("family", ["bloom", "mpt", "falcon_alibi"])
def test_positions_cannot_be_kept_where_there_are_none(cli: Cli, family: str) -> None:
    tiny_model(family).save_pretrained(cli.folder / "model")
    given = ("model.pretrained=./model", "curriculum.keep_positions=true")
    sets = [word for value in given for word in ("--set", value)]
    status, _, errors = cli.run("train", "tiny.toml", *sets)
    assert (status, len(errors.splitlines())) == (2, 1), errors
    assert "keep_positions has no effect on a model of type" in errors
    assert list(cli.folder.glob("runs/*/*")) == []


@pytest.mark.slow
def test_a_learning_rate_that_no_model_learns_at_is_warned_of(cli: Cli) -> None:
    sets = ("--set", "train.learning_rate=1e9", "--set", "train.max_steps=1")
    status, output, errors = cli.run("train", "tiny.toml", *sets)
    assert (status, errors) == (0, "")
    assert output.count("learning_rate is 1e+09: these models learn at rates from 1e-6 to") == 1


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

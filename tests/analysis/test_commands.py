"""`ask` and `probe` as a user calls them."""

import json
import sys

import pytest

from icot_tui.cli import app as cli
from tests.analysis.made import add_checkpoint, make_config, make_run
from tests.analysis.wired import wired_model


@pytest.fixture
def call(runs, monkeypatch, capsys):
    monkeypatch.setenv("ICOT_TUI_RUNS", str(runs))

    def run(*arguments):
        status = cli.run(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_ask_shows_checkpoints_side_by_side(call):
    status, out, _ = call("ask", "carries", "ignores@8", "12*34 = ?")
    assert status == 0
    rows = dict(line.split("\t", 1) for line in out.splitlines())
    assert rows["true answer"] == "408\t408"
    assert rows["chain of thought"].startswith("[8 4 0 + 0 6 3 0]")
    assert "8 hidden" in rows["tokens"]


def test_checkpoints_that_find_no_room_side_by_side_stand_below(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status, out, _ = call("ask", *["carries"] * 4, "12*34")
    heads = [line.split() for line in out.splitlines() if "step-" in line]
    assert status == 0 and heads == [["step-00000000"] * 3, ["step-00000000"]]
    assert max(map(len, out.splitlines())) <= 80


def test_ask_in_json_and_from_a_file(call, tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text("12*34\n\n2 1 * 4 3||8 4 0 + 0 6 3 0 #### 8 0 4 0\n")
    status, out, _ = call("ask", "carries", "--file", str(file), "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and len(lines) == 2
    assert [line["answers"][0]["expected"] for line in lines] == ["408", "408"]
    assert lines[0]["answers"][0]["chain"] == lines[1]["answers"][0]["chain"]
    assert len([t for t in lines[0]["answers"][0]["chain"] if not t["written"]]) == 8


@pytest.mark.slow
def test_ask_tries_every_budget_of_thought(call, tmp_path):
    config = make_config(name="mixed", curriculum={"mixed_stages": 0.5, "keep_positions": True})
    add_checkpoint(make_run(tmp_path, config), config, wired_model(config, True), 8)
    status, out, err = call(
        "ask", str(tmp_path / "mixed"), "--budget-sweep", "--examples", "10", "--json"
    )
    assert status == 0, err
    points = json.loads(out)["budgets"]
    assert [point["written"] for point in points] == list(range(8, -1, -1))
    beyond = {point["mean_written"] - point["written"] for point in points}
    assert len(beyond) == 1 and beyond.pop() > 0  # this one never closes its chain: all are counted
    assert all(point["examples"] == 10 and point["examples_per_second"] > 0 for point in points)
    status, out, _ = call("ask", str(tmp_path / "mixed"), "--budget-sweep", "--examples", "10")
    assert out.splitlines()[0].startswith("written\tremoved\texact match")
    assert len(out.splitlines()) == 10 and "mean written" in out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ask", "12*34"], "name a checkpoint or a run, then the question"),
        (["ask", "nobody", "12*34"], "there is no checkpoint folder and no run 'nobody'"),
        (["eval", "nobody@best"], "there is no checkpoint folder and no run 'nobody@best'"),
        (["eval", "carries@3"], "its stages are 8"),
        (["ask", "carries", "12+34"], "is no product"),
        (["ask", "carries@3", "12*34"], "its stages are 8"),
        (["ask", "carries", "--file", "gone.txt"], "gone.txt cannot be read"),
        (
            ["ask", "carries", "12*34", "--stage", "8", "--written", "1"],
            "can't be combined",
        ),
        (["ask", "carries", "--budget-sweep"], "was not trained with mixed stages"),
        (["ask", "carries", "--budget-sweep", "--thoughts"], "leave out --file and --thoughts"),
        (["ask", "carries", "12*34", "--thoughts"], "is no pair of ICoT-KD"),
        (["probe", "nobody"], "no run 'nobody'"),
        (["probe", "carries", "--stage", "0"], "no chain-of-thought token is hidden"),
        (["probe", "carries", "--target", "z4", "--examples", "100"], "there is no target 'z4'"),
        (["probe", "carries", "--data", "gone.txt"], "gone.txt"),
    ],
)
def test_bad_input_is_one_sentence(call, arguments, told):
    status, out, err = call(*arguments)
    assert status == 2
    assert err.startswith("error: ") and told in err and len(err.splitlines()) == 1
    assert not out


@pytest.mark.slow
def test_probe_prints_a_table_and_words_and_keeps_the_result(call, monkeypatch):
    arguments = ["probe", "carries", "--examples", "400", "--target", "z1", "--target", "s1"]
    status, out, err = call(*arguments)
    assert status == 0, err
    lines = out.splitlines()
    head = lines[0].split("\t")
    rows = {
        line.split("\t")[0]: dict(zip(head, line.split("\t"), strict=True)) for line in lines[1:6]
    }
    assert rows["1 out"]["SEP"].endswith("#") and rows["2 out"]["####"].endswith("#")
    assert rows["2 out"]["SEP"].endswith("*")
    assert rows["1 out"]["a0"][-1] == " " and rows["2 out"]["c0"].startswith("(")
    assert any(line.startswith("z1, hidden token 1") and "is encoded" in line for line in lines)
    assert any(line.startswith("ĉ1, ") and "is encoded" not in line for line in lines)
    assert any("No No-CoT control given" in line for line in lines)

    def fail(*arguments, **options):
        raise AssertionError("kept results are read, not made again")

    monkeypatch.setattr("icot_tui.analysis.probe_run.run_probes", fail)
    assert call(*arguments)[1] == out


@pytest.mark.slow
def test_probe_in_json(call):
    status, out, err = call("probe", "ignores", "--examples", "400", "--json", "--target", "z1")
    assert status == 0, err
    report = json.loads(out)
    [target] = report["targets"]
    assert (target["name"], target["encoded"], len(target["score"])) == ("z1", False, 5)
    assert set(target["controls"]) == {"constant", "shuffled", "untrained"}
    assert len(target["score"][0]) == len(report["columns"]) == 12


@pytest.mark.slow
def test_probe_against_a_control(call):
    status, out, err = call(
        "probe", "carries", "--control", "ignores", "--examples", "400", "--target", "z1", "--json"
    )
    assert status == 0, err
    [target] = json.loads(out)["targets"]
    assert set(target["controls"]) == {"constant", "shuffled", "untrained", "no_cot"}

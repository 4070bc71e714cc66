"""Hybrid per query: what is chosen, what it costs, and where it is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from icot_tui.analysis.budget import ask_written, sweep
from icot_tui.analysis.calibration import (
    ask_with_all,
    cheapest_threshold,
    examples_apart,
)
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.hybrid import BudgetOutcome, ask_until, budget_ladder
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.cli import app as cli
from icot_tui.data.splits import open_source
from icot_tui.engine.evaluation.exact_match import wilson
from tests.analysis.made import add_checkpoint, make_config, make_run, random_model
from tests.tiny import tiny, train_new

QUESTIONS = 40


@pytest.fixture(scope="module")
def run(tmp_path_factory, own_cache):
    """Trained with mixed stages on products whose chains have two or three tokens."""
    spans = [{"stage": 0, "steps": 60}, {"stage": 3, "steps": 1}]
    config = tiny(
        name="hybrid",
        data={"options": {"digits": "1x1,2x1"}, "train_examples": 500, "test_examples": 60},
        model={"width": 32, "dropout": 0.0},
        curriculum={
            "mixed_stages": 0.7,
            "keep_positions": True,
            "schedule": "stages",
            "stages": spans,
        },
        train={"max_steps": 160, "batch_size": 32, "micro_batch_size": 32},
        evaluation={"every_steps": 1000},
        checkpoints={"keep": 2},
    )
    return train_new(tmp_path_factory.mktemp("runs"), config)


@pytest.fixture(scope="module")
def mixed(run):
    return LoadedModel(open_safely(run.path))


@pytest.fixture(scope="module")
def questions(mixed):
    texts = [f"{3 * n % 89 + 10}*{n % 8 + 2}" for n in range(QUESTIONS // 2)]
    texts += [f"{n % 8 + 2}*{5 * n % 9 + 1}" for n in range(QUESTIONS // 2)]
    read = [mixed.reader.read(text) for text in texts]
    assert {mixed.chain_length(question) for question in read} == {2, 3}
    return read


@pytest.fixture(scope="module")
def threshold(mixed, questions):
    """Every budget is chosen with it; which one that is depends on the CPU's arithmetic."""
    asked = ask_until(mixed, questions, math.inf, [0, 1, 2, 3])
    found = [[one.answer.confidence for one in each.tries] for each in asked]
    for threshold in sorted({one for sure in found for one in sure}):
        firsts = (next((n for n, one in enumerate(sure) if one >= threshold), -1) for sure in found)
        if {n % len(sure) for n, sure in zip(firsts, found, strict=True)} == {0, 1, 2, 3}:
            return threshold
    raise AssertionError("no threshold chooses every budget")


def alone(mixed, question, threshold, budgets):
    """One question by a plain loop over the budgets."""
    tries = []
    for budget in budgets:
        written = min(budget, mixed.chain_length(question))
        if tries and written == tries[-1][0]:
            break
        answer = mixed.answer([question], written=written)[0]
        confidence = math.prod(token.probability for token in answer.tokens)
        tries.append((written, answer, confidence if answer.finished else 0.0))
        if tries[-1][2] >= threshold:
            break
    return tries


def test_each_question_chooses_as_it_would_alone(mixed, questions, threshold):
    budgets = budget_ladder(mixed, questions)
    assert budgets == [0, 1, 2, 3]
    found = ask_until(mixed, questions, threshold, budgets)
    for question, one in zip(questions, found, strict=True):
        expected = alone(mixed, question, threshold, budgets)
        assert [t.answer.answer for t in one.tries] == [a.answer for _, a, _ in expected]
        assert [t.answer.confidence for t in one.tries] == pytest.approx(
            [confidence for _, _, confidence in expected], abs=1e-5
        )
        assert one.answer.question == question
        assert one.written_in_all == sum(answer.written for _, answer, _ in expected)
        assert one.decoded_in_all == sum(answer.decoded for _, answer, _ in expected)
    assert {one.budget for one in found} == {0, 1, 2, 3}


def test_threshold_zero_takes_the_first_and_an_unreachable_one_the_whole_chain(mixed, questions):
    budgets = budget_ladder(mixed, questions)
    first = ask_until(mixed, questions, 0.0, budgets)
    assert [one.answer.answer for one in first] == [
        answer.answer for answer in mixed.answer(questions, stage=mixed.stage)
    ]
    assert all(one.budget == 0 and len(one.tries) == 1 for one in first)
    whole = ask_until(mixed, questions, math.inf, budgets)
    assert [one.answer.answer for one in whole] == [
        answer.answer for answer in mixed.answer(questions, stage=0)
    ]
    for one in whole:
        assert len(one.tries) == mixed.chain_length(one.answer.question) + 1


def test_the_totals_count_the_tries_that_were_thrown_away(mixed, questions, threshold):
    found = ask_until(mixed, questions, threshold, [0, 1, 3])
    outcome, n = BudgetOutcome.of_answers(found), len(found)
    right = sum(bool(one.answer.right) for one in found)
    assert (outcome.right, outcome.exact_match) == (right, right / n)
    assert (outcome.low, outcome.high) == wilson(right, n)
    assert outcome.written * n == pytest.approx(sum(one.answer.written for one in found))
    tries = [t.answer for one in found for t in one.tries]
    assert outcome.written_in_all * n == pytest.approx(sum(answer.written for answer in tries))
    assert outcome.decoded_in_all * n == pytest.approx(sum(answer.decoded for answer in tries))
    assert outcome.decoded_in_all > outcome.decoded > outcome.written
    assert sum(outcome.shares.values()) == pytest.approx(1)
    assert set(outcome.shares) == {0, 1, 3}


def test_an_answer_that_is_not_closed_has_no_confidence(tmp_path):
    config = make_config(curriculum={"mixed_stages": 0.5}, evaluation={"max_new_tokens": 3})
    path = add_checkpoint(make_run(tmp_path, config), config, random_model(config, 1, 8.0), 8)
    model = LoadedModel(open_safely(path))
    answer = model.ask("12*34")
    assert not answer.finished and answer.confidence == 0.0
    assert answer.as_json()["confidence"] == 0.0


def test_the_ladder_begins_with_the_most_removed_that_was_trained(tmp_path):
    config = make_config(curriculum={"mixed_stages": 0.5})
    run = make_run(tmp_path, config)
    model = LoadedModel(open_safely(add_checkpoint(run, config, random_model(config), 5)))
    question = model.reader.read("12*34")
    assert budget_ladder(model, [question]) == [3, 4, 8]
    assert budget_ladder(model, [question], [0, 6, 20]) == [3, 6, 8]
    assert budget_ladder(model, [question], [6]) == [6, 8]
    tried = ask_until(model, [question], math.inf, [3, 6, 8])[0].tries
    assert [(one.budget, one.answer.stage) for one in tried] == [(3, 5), (6, 2), (8, 0)]


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_ask_tells_each_question_and_the_total(call, run, mixed, threshold, tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text("12*3\n4*5\n34*7\n")
    command = ["ask", run.path, "--file", file, "--write-until", threshold, "--budgets", "0,1"]
    status, out, err = call(*command, "--json")
    assert status == 0, err
    *lines, total = map(json.loads, out.splitlines())
    texts = ["12*3", "4*5", "34*7"]
    found = ask_until(mixed, [mixed.reader.read(text) for text in texts], threshold, [0, 1, 3])
    assert [line["question"] for line in lines] == texts
    for line, one in zip(lines, found, strict=True):
        [told] = line["answers"]
        assert (told["budget"], told["answer"]) == (one.budget, one.answer.shown)
        assert told["confidence"] == pytest.approx(one.answer.confidence, abs=1e-6)
        assert told["decoded_in_all"] == one.decoded_in_all
        assert [t["budget"] for t in told["tries"]] == [t.budget for t in one.tries]
    outcome = BudgetOutcome.of_answers(found)
    assert total["total"]["decoded_in_all"] == outcome.decoded_in_all
    assert total["total"]["shares"] == {str(key): value for key, value in outcome.shares.items()}
    status, out, _ = call(*command)
    rows = [line.split("\t")[0] for line in out.splitlines()]
    assert status == 0 and rows.count("budgets tried") == 3 and rows.count("exact match") == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--write-until", "95"], "--write-until"),
        (["--write-until", "0.9", "--written", "2"], "leave out --written"),
        (["--write-until", "0.9", "--sample"], "leave out --written"),
        (["--budgets", "0,1"], "give both"),
        (["--write-until", "0.9", "--budgets", "0,x"], "whole numbers such as 0,2,4"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(call, run, more, told):
    status, out, err = call("ask", run.path, "12*3", *more)
    assert status == 2 and told in err and len(err.splitlines()) == 1 and not out


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("stepwise", "was not trained with mixed stages"),
        ("no_cot", "trained with No CoT, which writes no chain of thought"),
        ("explicit_cot", "was not trained with mixed stages"),
    ],
)
def test_other_runs_are_refused(call, tmp_path, method, told):
    config = make_config(method={"name": method})
    path = add_checkpoint(make_run(tmp_path, config), config, random_model(config), 8)
    for more in (["12*34", "--write-until", "0.9"], ["--budget-sweep"]):
        status, out, err = call("ask", path, *more)
        assert status == 2 and told in err and len(err.splitlines()) == 1 and not out


def test_what_all_answers_say_of_a_threshold_is_what_asking_with_it_gives(
    mixed, questions, threshold
):
    budgets = budget_ladder(mixed, questions)
    table = ask_with_all(mixed, questions, budgets)
    for one in (0.0, threshold, math.inf):
        expected = BudgetOutcome.of_answers(ask_until(mixed, questions, one, budgets))
        assert table.at(one) == expected
    whole = BudgetOutcome.of_answers(ask_until(mixed, questions, 0.0, [3]))
    assert table.fixed(3).right == whole.right
    assert table.fixed(3).decoded_in_all == whole.decoded_in_all


def test_a_sweep_and_the_model_s_own_choice_count_the_same_tokens(mixed):
    split = load_examples(mixed, 40).split(mixed)
    questions = [mixed.reader.example(split, index) for index in range(len(split))]
    lengths = np.array([mixed.chain_length(question) for question in questions])
    assert set(lengths) == {2, 3}
    points = sweep(mixed, split)
    assert [point.written for point in points] == [3, 2, 1, 0]  # of the longest
    for point in points:
        answers = ask_written(mixed, questions, np.maximum(lengths - point.stage, 0).tolist())
        assert point.mean_written == np.mean([answer.written for answer in answers])
    whole = ask_with_all(mixed, questions, budget_ladder(mixed, questions)).curve()[-1]
    assert (points[0].mean_written, points[0].exact_match) == (whole.written, whole.exact_match)
    assert points[0].mean_written < 3


def test_nothing_is_chosen_on_what_is_reported(run, mixed):
    with_test = examples_apart(mixed, 50)
    assert (with_test.chosen_on, with_test.reported_on) == ("validation", "test")
    assert (len(with_test.choosing), len(with_test.reporting)) == (20, 50)
    data = mixed.opened.config.data
    for questions, split in ((with_test.choosing, "validation"), (with_test.reporting, "test")):
        lines = b"".join(chunk.text for chunk in open_source(data).chunks(split)).decode()
        inputs = [line.partition("||")[0] for line in lines.splitlines()][: len(questions)]
        assert [question.input for question in questions] == inputs
    update = {"data": data.model_copy(update={"test_examples": 0})}
    without = mixed.opened.config.model_copy(update=update)
    other = LoadedModel(replace(mixed.opened, config=without))
    halves = examples_apart(other, 50)
    assert halves.chosen_on == "one half of validation"
    assert halves.reported_on == "the other half of validation"
    first, second = ({q.input for q in part} for part in (halves.choosing, halves.reporting))
    assert len(first) == len(second) == 10 and not first & second


def test_calibrate_chooses_on_validation_and_reports_on_test(call, run, mixed):
    apart = examples_apart(mixed, 40)
    budgets = budget_ladder(mixed, [*apart.choosing, *apart.reporting])
    choosing, reporting = (
        ask_with_all(mixed, one, budgets) for one in (apart.choosing, apart.reporting)
    )
    wanted = max(choosing.at(one).share for one in choosing.thresholds)
    command = ["calibrate", run.path, "--accuracy", wanted, "--accuracy", 1, "--examples", 40]
    status, out, err = call(*command, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["budgets"] == budgets
    assert (told["chosen_on"]["examples"], told["reported_on"]["examples"]) == (
        "validation",
        "test",
    )
    seen, rows = told["chosen_on"]["outcomes"], told["reported_on"]["outcomes"]
    assert [row["right"] for row in seen[: len(budgets)]] == [
        choosing.fixed(budget).right for budget in budgets
    ]
    assert {row["questions"] for row in seen} == {20}
    [chosen] = [row for row in rows if row["wanted"] == wanted and row["budget"] is None]
    threshold = cheapest_threshold(choosing, wanted)
    assert float(chosen["threshold"]) == threshold
    expected = reporting.at(threshold)
    assert (chosen["questions"], chosen["right"]) == (40, expected.right)
    assert chosen["decoded_in_all"] == expected.decoded_in_all
    assert chosen["at_random"]["exact_match"] == reporting.at_random(threshold).exact_match
    [none] = [row for row in rows if row["wanted"] == 1]
    assert none["threshold"] is None and "right" not in none
    status, out, err = call(*command)
    assert status == 0, err
    assert "for 1: nothing reaches it" in out and f"for {wanted:g}: sure" in out


def test_calibrate_refuses_other_runs(call, tmp_path):
    config = make_config()
    path = add_checkpoint(make_run(tmp_path, config), config, random_model(config), 8)
    status, out, err = call("calibrate", path)
    assert status == 2 and "was not trained with mixed stages" in err and not out

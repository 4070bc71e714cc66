"""The parts of a loss: they add up to it, a resume keeps them, and one part is none."""

from itertools import pairwise
from math import inf
from statistics import fmean

import pytest

from icot_tui.engine.journal.journal import decode_line, encode_line
from icot_tui.engine.loop.run_state import RunState, Step, StepCount, mean_parts
from tests.events import trained
from tests.tiny import assert_same_run, copy_until, news, read_lines, tiny, train, train_new

MADE_OF = StepCount(10, 2, 0)
CODI = ["student", "hidden_states", "teacher"]
EVERY_STEP = {"keep": 1000, "every_steps": 1}


def of_several(name, **sections):
    own = {"codi": {"thoughts": 2, "distillation_weight": 0.5, "teacher_weight": 2.0}}
    return tiny(method={"name": name}, **({name: own[name]} if name in own else {}), **sections)


def told(folder):
    return [line for line in news(folder) if line["event"] == "StepsTrained"]


@pytest.fixture(scope="module")
def codi(tmp_path_factory):
    limits = {"max_steps": 10, "decay_steps": 0}
    config = of_several("codi", train=limits, checkpoints=EVERY_STEP)
    return train_new(tmp_path_factory.mktemp("codi"), config)


def check_sums(folder, names):
    lines = told(folder)
    assert [line["step"] - line["first"] + 1 for line in lines].count(4) > 1
    for line in lines:
        assert list(line["loss_parts"]) == names
        assert sum(line["loss_parts"].values()) == pytest.approx(fmean(line["losses"]), rel=1e-6)
        assert all(part > 0 for part in line["loss_parts"].values())


def test_they_add_up_to_the_mean_loss_of_their_line(codi, tmp_path):
    """Here with three micro-batches a step."""
    check_sums(codi, CODI)
    limits = {"max_steps": 10, "decay_steps": 0}
    check_sums(
        train_new(tmp_path, of_several("running_sums", train=limits)), ["nll", "running_sums"]
    )


def test_micro_batches_change_no_part_that_is_a_sum_over_rows(tmp_path):
    def run(name, size):
        limits = {"max_steps": 4, "decay_steps": 0, "micro_batch_size": size}
        config = of_several("running_sums", train=limits, model={"dropout": 0.0})
        return train_new(tmp_path / name, config)

    (whole,), (parted,) = (told(run(name, size)) for name, size in (("8", None), ("3", 3)))
    assert parted["loss_parts"] == pytest.approx(whole["loss_parts"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("step", range(10))
def test_a_resume_at_any_step_journals_the_same(codi, tmp_path, step):
    folder = copy_until(step, codi, tmp_path / "copy")
    train(folder)
    assert_same_run(folder, codi)


def test_a_loss_of_one_part_has_none(tmp_path):
    folder = train_new(tmp_path, tiny(train={"max_steps": 8, "decay_steps": 0}))
    lines = [line for line in read_lines(folder) if line["event"] == "StepsTrained"]
    assert lines and all("loss_parts" not in line for line in lines)


def test_of_several_trainings_only_the_emulators_loss_has_parts_a_block_each(tmp_path):
    train_section = {"max_steps": 4, "decay_steps": 0}
    config = tiny(method={"name": "distillation"}, model={"layers": 2}, train=train_section)
    phase, found = "", {}
    for line in news(train_new(tmp_path, config)):
        phase = line.get("phase", phase)
        if line["event"] == "StepsTrained":
            found[phase] = line.get("loss_parts", {})
            if found[phase]:
                assert sum(found[phase].values()) == pytest.approx(fmean(line["losses"]), rel=1e-6)
    assert {name: list(parts) for name, parts in found.items()} == {
        "teacher": [], "student": [], "emulator": ["block_1", "block_2"], "coupled": [],
    }  # fmt: skip


def step(loss, **parts):
    return Step(loss, 1.0, MADE_OF, parts)


def test_steps_whose_loss_was_not_finite_are_left_out_of_the_means():
    steps = [
        step(3.0, a=1.0, b=2.0),
        step(None),
        step(None, a=9.0, b=None),
        step(5.0, a=1.5, b=3.5),
    ]
    assert mean_parts(steps) == {"a": 1.25, "b": 2.75}
    assert mean_parts([step(None, a=9.0, b=None)]) == {"a": None, "b": None}
    assert mean_parts([step(1.0), step(None)]) == {}


def test_steps_of_an_older_version_make_no_part_up():
    """A checkpoint of before has losses that were not journaled yet, and no parts of them."""
    state = RunState(step=1, unobserved=[3.0], unobserved_norms=[1.0], unobserved_counts=[MADE_OF])
    older = state.as_json()
    del older["unobserved_parts"]
    state = RunState.from_json(older)
    state.unobserved.append(5.0)
    state.unobserved_norms.append(1.0)
    state.unobserved_counts.append(MADE_OF)
    state.unobserved_parts.append({"a": 4.0, "b": 1.0})
    steps = state.take_unobserved()
    assert [each.parts for each in steps] == [{}, {"a": 4.0, "b": 1.0}]
    assert mean_parts(steps) == {"a": None, "b": None}
    assert state.take_unobserved() == []


def test_a_line_has_the_field_only_where_it_says_something():
    plain = trained(1)
    assert b"loss_parts" not in encode_line(1.5, plain)
    line = encode_line(1.5, trained(1, loss_parts={"a": 0.25, "b": None}))
    assert line.endswith(b'"loss_parts":{"a":0.25,"b":null}}\n')
    pair = decode_line(line)
    assert pair is not None and pair[1].loss_parts == {"a": 0.25, "b": None}
    older = line.replace(b"loss_parts", b"a_field_that_is_not_known")
    assert decode_line(older) == (1.5, plain)


def test_a_gate_is_held_against_the_tokens_losses_alone(tmp_path):
    """What else enters the loss is in other units, and no token's."""
    gate = {"gate_loss": 2.5, "gate_window": 1, "min_steps": 1, "max_steps": None, "smoothing": inf}
    sections = {
        "curriculum": gate,
        "train": {"max_steps": 34, "decay_steps": 0, "observe_every": 1},
        "running_sums_stepwise": {"weight": 50.0},
    }
    lines = told(train_new(tmp_path, of_several("running_sums_stepwise", **sections)))
    assert min(line["losses"][0] for line in lines) > 2.5
    assert lines[0]["loss_parts"]["nll"] > 2.5
    rises = [line["stage"] != following["stage"] for line, following in pairwise(lines)]
    assert rises == [line["loss_parts"]["nll"] < 2.5 for line in lines[:-1]] and any(rises)

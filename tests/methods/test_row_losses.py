"""Every method that removes tokens, with each schedule that asks for the losses of single rows."""

from itertools import product

import pytest

from icot_tui.config.run import known_methods
from icot_tui.errors import UserError
from icot_tui.methods.running_sums import objective
from icot_tui.models.supervised import SupervisedLM
from tests.families.configs import tiny_model
from tests.methods.common import assert_resumes_exactly
from tests.tiny import news, tiny, train_new

pytestmark = pytest.mark.slow
OWN = {  # what a method can't do without
    "coconut": {
        "data": {"task": "graph", "options": {"hops": 3, "names": 10}},
        "curriculum": {"unit": "step", "keep_positions": False},
    },
}
REMOVING = [name for name, method in known_methods().items() if method.removes_tokens]
SCHEDULES = {
    "mastery": {"schedule": "mastery"},
    "scheduled": {"schedule": "loss_gated", "gate_rows": "scheduled"},
}

PAIRS = [pair for pair in product(REMOVING, SCHEDULES) if pair != ("coconut", "mastery")]
"""Mastery needs kept positions, which Coconut has none of: refused."""


def config_of(name, schedule):
    own = OWN.get(name, {})
    curriculum = {"keep_positions": True, "gate_loss": 3.2, "max_steps": None} | SCHEDULES[schedule]
    return tiny(
        method={"name": name},
        data=own.get("data", {}),
        curriculum=curriculum | own.get("curriculum", {}),
    )


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_every_method_gives_the_losses_of_single_rows(name, schedule, tmp_path):
    folder = train_new(tmp_path, config_of(name, schedule))
    lines = news(folder)
    assert lines[-1]["event"] == "RunEnded" and lines[-1]["finished"]
    removed = [line["step"] for line in lines if line["event"] == "TokenRemoved"]
    assert removed  # the gate let it go: there is no clock


def test_an_objective_without_them_is_refused(tmp_path, monkeypatch):
    made = objective.RunningSumsLM
    monkeypatch.setattr(objective, "RunningSumsLM", lambda *given: made(*given[:-1]))
    for schedule in SCHEDULES:
        with pytest.raises(UserError, match="gives no losses of single rows"):
            train_new(tmp_path / schedule, config_of("running_sums_stepwise", schedule))


def test_a_mixture_of_experts_with_its_auxiliary_loss_is_refused():
    lm = tiny_model("mixtral", output_router_logits=True, router_aux_loss_coef=0.5)
    with pytest.raises(UserError, match="gate_rows at 'all'"):
        SupervisedLM(lm, by_row=True)


def test_a_run_with_several_losses_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, config_of("running_sums_stepwise", "scheduled"))

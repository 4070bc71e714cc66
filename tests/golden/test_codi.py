"""CODI's three losses and gradients (arXiv 2502.21074) are those of its own code.

The golden questions end with START, and their answers begin with END; here the last token of each
question stands where our layout has its separator.
"""

from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2LMHeadModel

from icot_tui.methods.codi.config import CodiConfig
from icot_tui.methods.codi.objective import Lesson, SelfDistillation
from icot_tui.models.latents import LatentReading, ThoughtCounts
from icot_tui.models.wrapped import WrappedLM
from tests.golden.values import golden
from tests.golden.weights import CODI_CONFIG, codi_projection, codi_weights

VALUES = golden("codi")


def name_of(row):
    options = ("projection", "divide_by_std")
    return "-".join([row["distill_loss"], *(name for name in options if row[name])])


@pytest.fixture
def model():
    model = GPT2LMHeadModel(CODI_CONFIG)
    model.load_state_dict(codi_weights(), strict=False)
    return model


def supervised(ids, first):
    """States and targets where everything from a column on is supervised."""
    rows, columns = torch.arange(len(ids))[:, None], torch.arange(first, ids.shape[1])
    return (rows * ids.shape[1] + columns - 1).flatten(), ids[:, first:].flatten()


@pytest.mark.parametrize("row", VALUES["rows"], ids=name_of)
def test_values(row, model):
    batch = {name: torch.tensor(value) for name, value in VALUES.items() if name != "rows"}
    marks = SimpleNamespace(weight=model.transformer.wte.weight[[VALUES["bot"], VALUES["eot"]]])
    project = codi_projection() if row["projection"] else None
    count = row["num_latent"]
    question = batch["encoder_input_ids"][:, :-1]
    separator = question.shape[1] - 1
    lm = WrappedLM(
        model,
        LatentReading(model, marks, lambda stage: count, count, project),
        0,
        {} if project is None else {"project": project},
    )
    lm.separators = lambda ids, mask: torch.full((len(ids),), separator)
    config = CodiConfig(distance=row["distill_loss"], divide_by_std=row["divide_by_std"])
    ids = torch.cat([question, batch["decoder_input_ids"][:, 1:]], dim=1)
    whole = batch["ref_input_ids"]
    states, targets = supervised(whole, VALUES["ref_labels"][0].count(-100))
    lesson = Lesson(
        ids=whole,
        states=states,
        targets=targets,
        teacher_at=batch["ref_answer_position"] - 1,
        student_at=batch["model_answer_position"] - 1 + separator,
        rows=len(ids),
    )
    told = {"thoughts": ThoughtCounts(count, None, (separator + 1, separator + 1))}
    objective = SelfDistillation(lm, config)
    own = supervised(ids, separator + 1)
    answer, distance, chain = objective.losses(ids, *own, told, lesson)
    parts = objective(ids, None, *own, told, lesson)
    names = {"student": "ce_loss", "hidden_states": "distill_loss_value", "teacher": "ref_ce_loss"}
    assert {name: part.item() / len(ids) for name, part in parts.items()} == pytest.approx(
        {name: row[golden] for name, golden in names.items()}, rel=1e-5
    )
    weights = {"distillation_weight": 0.5, "teacher_weight": 2.0}
    weighted = SelfDistillation(lm, config.model_copy(update=weights))(
        ids, None, *own, told, lesson
    )
    torch.testing.assert_close(
        weighted,
        parts | {"hidden_states": 0.5 * parts["hidden_states"], "teacher": 2.0 * parts["teacher"]},
    )
    loss = sum(parts.values()) / len(ids)
    loss.backward()
    norm = torch.nn.utils.get_total_norm(p.grad for p in lm.parameters() if p.grad is not None)
    for name, value in {
        "ce_loss": answer,
        "distill_loss_value": distance,
        "ref_ce_loss": chain,
        "loss": loss,
        "gradient_norm": norm,
    }.items():
        assert value.item() == pytest.approx(row[name], rel=1e-5), name

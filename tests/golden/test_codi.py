"""CODI's three losses and gradients (arXiv 2502.21074), by the plainest means.

The values wait for a method that is to be held against them; here they are held against a
forward pass written out: the question, the latent thoughts one by one, the answer.
"""

import pytest
import torch
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from tests.golden.values import golden
from tests.golden.weights import CODI_CONFIG, codi_projection, codi_weights

VALUES = golden("codi")
DISTANCES = {"smooth_l1": F.smooth_l1_loss, "l2": F.mse_loss}


def name_of(row):
    options = ("projection", "divide_by_std")
    return "-".join([row["distill_loss"], *(name for name in options if row[name])])


@pytest.fixture
def model():
    model = GPT2LMHeadModel(CODI_CONFIG)
    model.load_state_dict(codi_weights(), strict=False)
    return model


def cross_entropy(logits, labels):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def before_answer(states, answers):
    """For each layer, the states [B, H] of the token before the answer."""
    rows = torch.arange(len(answers))
    return [layer[rows, answers - 1] for layer in states]


def student(model, project, latents, question, answer):
    """Logits and hidden states of the answer, after the question and that many thoughts."""
    out = model(question, output_hidden_states=True, use_cache=True)
    for _ in range(latents):
        thought = project(out.hidden_states[-1][:, -1:])
        out = model(
            inputs_embeds=thought, past_key_values=out.past_key_values, output_hidden_states=True
        )
    return model(answer, past_key_values=out.past_key_values, output_hidden_states=True)


@pytest.mark.parametrize("row", VALUES["rows"], ids=name_of)
def test_values(row, model):
    batch = {name: torch.tensor(value) for name, value in VALUES.items() if name != "rows"}
    project = codi_projection() if row["projection"] else torch.nn.Identity()
    teacher = model(batch["ref_input_ids"], output_hidden_states=True)
    out = student(
        model, project, row["num_latent"], batch["encoder_input_ids"], batch["decoder_input_ids"]
    )
    distances = [
        DISTANCES[row["distill_loss"]](own, target.detach())
        / (target.detach().std() if row["divide_by_std"] else 1)
        for own, target in zip(
            before_answer(out.hidden_states, batch["model_answer_position"]),
            before_answer(teacher.hidden_states, batch["ref_answer_position"]),
            strict=True,
        )
    ]
    losses = {
        "ce_loss": cross_entropy(out.logits, batch["labels"]),
        "distill_loss_value": torch.stack(distances).mean(),
        "ref_ce_loss": cross_entropy(teacher.logits, batch["ref_labels"]),
    }
    losses["loss"] = sum(losses.values())
    losses["loss"].backward()
    parameters = [*model.parameters(), *project.parameters()]
    losses["gradient_norm"] = torch.nn.utils.get_total_norm(p.grad for p in parameters)
    for name, value in losses.items():
        assert value.item() == pytest.approx(row[name], rel=1e-5), name

"""Coconut's losses, gradients, thoughts and logits (arXiv 2412.06769), by the plainest means.

The values wait for a method that is to be held against them; here they are held against a
forward pass that feeds each thought back by reading all that precedes it again.
"""

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2LMHeadModel

from tests.golden.values import golden
from tests.golden.weights import COCONUT_CONFIG, coconut_weights

VALUES = golden("coconut")


@pytest.fixture
def model():
    model = GPT2LMHeadModel(COCONUT_CONFIG)
    model.load_state_dict(coconut_weights(), strict=False)
    return model


def forward(model, ids, mask, positions):
    """Logits [B, T, V] and thoughts [B, latents, H].

    The embedding of a latent token is the last hidden state of the token before it.
    """
    inputs = list(model.transformer.wte(ids).unbind(1))
    thoughts = []
    for place in (ids[0] == VALUES["latent"]).nonzero().flatten().tolist():
        before = model.transformer(
            inputs_embeds=torch.stack(inputs[:place], 1),
            attention_mask=mask[:, :place],
            position_ids=positions[:, :place],
        )
        inputs[place] = before.last_hidden_state[:, -1]
        thoughts.append(inputs[place])
    embeds = torch.stack(inputs, 1)
    logits = model(inputs_embeds=embeds, attention_mask=mask, position_ids=positions).logits
    return logits, torch.stack(thoughts, 1) if thoughts else embeds[:, :0]


@pytest.mark.parametrize("number", range(len(VALUES["cases"])))
def test_values(number, model):
    case = VALUES["cases"][number]
    ids, labels, mask, positions = (
        torch.tensor(case[name])
        for name in ("input_ids", "labels", "attention_mask", "position_ids")
    )
    logits, thoughts = forward(model, ids, mask, positions)
    loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    loss.backward()
    norm = torch.nn.utils.get_total_norm(p.grad for p in model.parameters())
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    assert norm.item() == pytest.approx(case["gradient_norm"], rel=1e-5)
    for found, expected in (
        (logits[0, -1, :6], case["last_logits_first_row_first_6"]),
        (thoughts[..., :4], case["continuous_thoughts_first_4"]),
    ):
        expected = torch.tensor(expected).flatten()
        torch.testing.assert_close(found.flatten(), expected, rtol=1e-5, atol=1e-5)

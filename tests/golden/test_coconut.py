"""Coconut's losses, gradients, thoughts and logits (arXiv 2412.06769) are those of its own code.

The golden rows are ` {x} START t_1 .. t_n END {rest}` with left padding up to one first thought;
here the last token of each question stands where our layout has its separator.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2LMHeadModel

from icot_tui.models.latents import LatentReading
from tests.golden.values import golden
from tests.golden.weights import COCONUT_CONFIG, coconut_weights

VALUES = golden("coconut")
MARKS = [VALUES["start_latent"], VALUES["end_latent"]]


@pytest.fixture
def model():
    model = GPT2LMHeadModel(COCONUT_CONFIG)
    model.load_state_dict(coconut_weights(), strict=False)
    return model


def rows_of(case):
    """Ids [B, C] without START, thoughts and END; labels and a mask for them; separators [B]."""
    ids, labels, mask = (
        torch.tensor(case[name]) for name in ("input_ids", "labels", "attention_mask")
    )
    own = torch.isin(ids[0], torch.tensor([VALUES["latent"], *MARKS]))
    separators = torch.full((len(ids),), int(own.int().argmax()) - 1)
    return ids[:, ~own], labels[:, ~own], mask[:, ~own], separators


@pytest.mark.parametrize("number", range(len(VALUES["cases"])))
def test_values(number, model):
    case = VALUES["cases"][number]
    ids, labels, mask, separators = rows_of(case)
    count = case["input_ids"][0].count(VALUES["latent"])
    marks = SimpleNamespace(weight=model.transformer.wte.weight[MARKS])
    reading = LatentReading(model, marks, lambda stage: count, count)
    arguments = {"attention_mask": mask}
    hidden = reading.first_pass(model.transformer, ids, separators, arguments)[0]
    logits = model.lm_head(hidden)
    loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    loss.backward()
    norm = torch.nn.utils.get_total_norm(p.grad for p in model.parameters())
    thoughts = reading.thoughts(ids, separators, arguments)
    assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
    assert norm.item() == pytest.approx(case["gradient_norm"], rel=1e-5)
    pairs = [(thoughts[..., :4], case["continuous_thoughts_first_4"])]
    if mask[0, -1]:  # one case's last column is padding, which stands at another position here
        pairs.append((logits[0, -1, :6], case["last_logits_first_row_first_6"]))
    for found, expected in pairs:
        expected = torch.tensor(expected).flatten()
        torch.testing.assert_close(found.flatten(), expected, rtol=1e-5, atol=1e-5)

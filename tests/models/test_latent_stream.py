"""The stream of a model with continuous thoughts: read and changed as if all were one pass."""

import numpy as np
import pytest
import torch

from icot_tui.config import ModelConfig
from icot_tui.models.build import build_model
from icot_tui.models.latent_lm import latent_lm, untrained_latent_lm
from icot_tui.models.latent_stream import LatentStream, stream_columns, stream_of, thoughts_of
from icot_tui.models.residual_stream import ResidualStream, Site

SEP, WORDS, N = 0, 12, 3
ROWS = [[3, 4, SEP, 5, 6], [7, SEP, 8, SEP, SEP], [5, 6, 7, SEP, 9]]
PROMPTS = np.array([3, 2, 4])
LENGTHS = [5, 4, 5]


@pytest.fixture(params=["gpt2", "llama"])
def lm(request):
    config = ModelConfig(
        architecture=request.param, layers=2, heads=2, width=16, initializer_range=0.3
    )
    torch.manual_seed(0)
    parts = {"project": torch.nn.Linear(16, 16)}
    plain = build_model(config, WORDS, SEP, 30, 1)
    return latent_lm(plain, SEP, lambda stage: N * (stage > 0), N, parts).eval()


def one_pass(lm, number, changed=None):
    """A row's embeddings with its thoughts, each made anew of all before it, and its places.

    `changed` may hold a thought's number from 0 and what is added to it.
    """
    words, marks = lm.lm.get_input_embeddings(), lm.parts["marks"].weight
    row, prompt = ROWS[number][: LENGTHS[number]], PROMPTS[number]
    embedded = words(torch.tensor(row))
    before = torch.cat([embedded[:prompt], marks[:1]])
    for thought in range(N):
        made = lm.parts["project"](lm.lm.base_model(inputs_embeds=before[None])[0][0, -1:])
        if changed is not None and changed[0] == thought:
            made = made + changed[1]
        before = torch.cat([before, made])
    return torch.cat([before, marks[1:], embedded[prompt:]])[None]


def places(number):
    """Columns of a row's tokens but SEP, START, thoughts and END, in the order of `one_pass`."""
    counts_prompt, longest = PROMPTS[number], PROMPTS.max()
    question = np.arange(counts_prompt) + longest - counts_prompt
    thinking = longest + np.arange(N + 1)
    rest = stream_columns(
        thoughts_of_rows(), PROMPTS[[number]], np.arange(counts_prompt - 1, LENGTHS[number])[None]
    )[0]
    return np.concatenate([question, thinking, rest])


def thoughts_of_rows():
    from icot_tui.models.latents import ThoughtCounts

    return ThoughtCounts(N, None, (int(PROMPTS.min()), int(PROMPTS.max())))


@torch.no_grad()
def test_activations_are_those_of_one_pass_over_everything(lm):
    stream = stream_of(lm, thoughts_of(lm, 1, PROMPTS))
    assert isinstance(stream, LatentStream) and stream.has_middle
    inner = ResidualStream(lm.lm)
    with stream.recording(stream.sites) as found:
        logits = stream.forward(torch.tensor(ROWS), None)
    for number in range(len(ROWS)):
        embedded = one_pass(lm, number)
        with inner.recording(inner.sites) as expected:
            plain = lm.lm(inputs_embeds=embedded).logits
        at = places(number)
        assert len(at) == embedded.shape[1] and len(set(at)) == len(at)
        for site in stream.sites:
            torch.testing.assert_close(
                found[site][number, at], expected[site][0], rtol=1e-4, atol=1e-4
            )
        rest = LENGTHS[number] - PROMPTS[number] + 1
        own = slice(PROMPTS[number] - 1, LENGTHS[number])
        torch.testing.assert_close(logits[number, own], plain[0, -rest:], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("thought", range(N))
def test_a_changed_thought_changes_all_that_comes_of_it(lm, thought):
    """Its embedding is replaced; later thoughts are made of what it became."""
    stream = stream_of(lm, thoughts_of(lm, 1, PROMPTS))
    added, column = torch.randn(len(ROWS), 16), int(PROMPTS.max()) + 1 + thought
    ids = torch.tensor(ROWS)

    def change(activation):
        changed = activation.clone()
        changed[:, column] += added
        return changed

    before = stream.forward(ids, None)
    with stream.changing(Site(0, "resid_pre"), change):
        first, again = stream.forward(ids, None), stream.forward(ids, None)
    assert torch.equal(torch.nan_to_num(first), torch.nan_to_num(again))
    assert torch.equal(torch.nan_to_num(before), torch.nan_to_num(stream.forward(ids, None)))
    for number in range(len(ROWS)):
        # GPT-2 adds the position to the embedding below the site, so that both sums are the same.
        embedded = one_pass(lm, number, (thought, added[number]))
        rest = LENGTHS[number] - PROMPTS[number] + 1
        expected = lm.lm(inputs_embeds=embedded).logits[0, -rest:]
        own = slice(PROMPTS[number] - 1, LENGTHS[number])
        torch.testing.assert_close(first[number, own], expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(first[number, own], before[number, own], atol=1e-3)


@torch.no_grad()
def test_without_thoughts_yet_only_the_marks_stand_there(lm):
    counts = thoughts_of(lm, 0, PROMPTS)
    assert counts.most == 0
    stream = stream_of(lm, counts)
    with stream.recording(stream.sites[-1:]) as found:
        stream.forward(torch.tensor(ROWS), None)
    [states] = found.values()
    assert states.shape[1] == 4 + 1 + 4  # the longest prompt, START; the columns from END on


def test_an_untrained_model_has_as_many_thoughts_and_nothing_of_the_trained_one(lm):
    config = ModelConfig(architecture="gpt2", layers=2, heads=2, width=16)
    other = untrained_latent_lm(lm, build_model(config, WORDS, SEP, 30, 7))
    assert other.reading.thoughts_at(1) == N and other.separator_id == SEP
    ours, theirs = lm.parts["project"].weight, other.parts["project"].weight
    assert not torch.equal(ours, theirs)
    assert torch.equal(lm.parts["project"].weight, ours)

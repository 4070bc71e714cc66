"""Hooks, lens, attribution and attention on the wired model, and hooks on other families."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from icot_tui.analysis.inside import LogitLens, attention, attribute, mean_attention
from icot_tui.errors import UserError
from icot_tui.models.residual_stream import ResidualStream, Site

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}
LLAMA = {"intermediate_size": 64, "num_key_value_heads": 2}
FAMILIES = {
    "gpt2": ({}, True),
    "llama": (LLAMA, True),
    "qwen2": (LLAMA, True),
    "gemma2": (LLAMA | {"head_dim": 16}, False),  # norms after the parts: no plain sum
    "openai-gpt": ({}, False),  # its norms come after the sums
    "gptj": ({"n_embd": 32, "n_layer": 2, "n_head": 2, "rotary_dim": 8}, False),  # parallel
    "gpt_neox": ({"intermediate_size": 64}, False),
    "opt": ({"ffn_dim": 64, "word_embed_proj_dim": 32}, False),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    sizes, middle = FAMILIES[request.param]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(request.param, **SIZES, **sizes))
    return model.eval(), middle


IDS = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])


def test_sites_of_many_families_hold_the_models_own_hidden_states(family):
    model, middle = family
    stream = ResidualStream(model)
    assert stream.has_middle == middle
    assert len(stream.sites) == 1 + 2 * (1 + middle)
    with torch.no_grad(), stream.recording(stream.sites) as recorded:
        stream.forward(IDS, None)
        hidden = model(IDS, output_hidden_states=True).hidden_states
    assert torch.equal(recorded[Site(0, "resid_pre")], hidden[0])
    assert torch.equal(recorded[Site(0, "resid_post")], hidden[1])


def test_a_change_is_carried_on_and_gone_afterwards(family):
    model, _ = family
    stream = ResidualStream(model)
    with torch.no_grad():
        before = stream.forward(IDS, None)
        for where in stream.sites:
            with stream.recording([where]) as recorded:
                stream.forward(IDS, None)
            there = recorded[where]

            def swap(activation, there=there):
                return there.flip(0)

            with stream.changing(where, swap):
                changed = stream.forward(IDS, None)
            if where.part == "resid_post":  # all positions swapped: the rest follows
                assert torch.allclose(changed, before.flip(0), atol=1e-5), where.name
            assert not torch.allclose(changed, before), where.name
            assert torch.equal(stream.forward(IDS, None), before)


def test_a_changed_middle_reaches_both_the_mlp_and_the_stream(carries, aligned):
    stream = ResidualStream(carries.lm)
    ids, positions = aligned.inputs(np.arange(2))
    middle, after = Site(0, "resid_mid"), Site(0, "resid_post")
    with torch.no_grad():
        with stream.recording([middle, after]) as plain:
            stream.forward(ids, positions)
        swapped = stream.changing(middle, lambda x: plain[middle].flip(0))
        with swapped, stream.recording([after]) as changed:
            stream.forward(ids, positions)
    assert torch.allclose(changed[after], plain[after].flip(0), atol=1e-4)


def test_names_are_transformer_lens_s():
    assert Site.parse("blocks.1.hook_resid_mid") == Site(1, "resid_mid")
    assert Site(1, "resid_mid").name == "blocks.1.hook_resid_mid"
    with pytest.raises(UserError, match="is not a site such as"):
        Site.parse("h.1")


def test_the_lens_says_the_answer_where_it_stands_and_not_before(carries, aligned):
    lens = LogitLens(ResidualStream(carries.lm))
    mark = aligned.names.index("####")
    for row in range(20):
        ids, positions = aligned.inputs(np.array([row]))
        gold = int(aligned.answer_tokens(0)[row])
        read = lens.read(ids, positions, chosen=gold)
        names = [site.name for site in read.sites]
        at = dict(zip(names, read.of_chosen[:, mark].tolist(), strict=True))
        assert at["blocks.1.hook_resid_mid"] > 0.9
        assert at["blocks.0.hook_resid_post"] < 0.1
        assert read.tokens[-1, mark, 0] == gold
        assert read.probabilities[-1, mark, 0] == pytest.approx(at["blocks.1.hook_resid_post"])


def test_the_lens_of_many_families_ends_in_the_models_own_logits(family):
    model, _ = family
    read = LogitLens(ResidualStream(model)).read(IDS[:1], None, chosen=0, k=1)
    with torch.no_grad():
        own = torch.softmax(model(IDS[:1]).logits, -1)[0]
    assert torch.allclose(read.probabilities[-1, :, 0], own.max(-1).values, atol=1e-5)


def test_a_model_that_caps_its_logits_has_no_lens():
    torch.manual_seed(0)
    config = AutoConfig.for_model("gemma2", **SIZES, **FAMILIES["gemma2"][0])
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(300)
    with pytest.raises(UserError, match="no logit lens"):
        LogitLens(ResidualStream(model))


def test_attribution_finds_the_digits_that_count_and_no_others(carries, aligned):
    found = attribute(ResidualStream(carries.lm), aligned, np.arange(200))
    assert found.columns == ("a0", "a1", "b0", "b1")
    assert found.digits == ("c0", "c1", "c2", "c3")
    logit = dict(zip(found.columns, found.logit[:, 0], strict=True))
    assert logit["a0"] > 3 and logit["b0"] > 3
    assert abs(logit["a1"]) < 1e-3 and abs(logit["b1"]) < 1e-3
    changed = dict(zip(found.columns, found.changed[:, 0], strict=True))
    assert changed["a1"] == changed["b1"] == 0
    assert changed["a0"] > 0.6  # the product with 0 is 0 whatever the other digit
    assert found.changed[:, 1:].max() == 0


def test_attribution_of_a_model_that_ignores_its_input_is_zero(ignores, aligned):
    found = attribute(ResidualStream(ignores.lm), aligned, np.arange(50))
    assert found.size.max() < 1e-3
    assert found.changed.max() == 0


def test_attention_shows_who_reads_whom(carries, aligned):
    before = carries.lm.config._attn_implementation
    mean = mean_attention(carries.lm, aligned, np.arange(50))
    assert carries.lm.config._attn_implementation == before
    at = {name: number for number, name in enumerate(aligned.names)}
    assert mean.shape == (2, 2, 12, 12)
    assert mean[0, 0, at["SEP"], at["a0"]] > 0.99
    assert mean[0, 1, at["SEP"], at["b0"]] > 0.99
    assert mean[1, 0, at["####"], at["SEP"]] > 0.99
    assert np.allclose(mean.sum(-1), 1)


def test_attention_of_many_families_is_shares(family):
    model, _ = family
    shares = attention(model, IDS)
    assert shares.shape == (2, 2, 2, 5, 5)
    assert torch.allclose(shares.sum(-1), torch.ones(2, 2, 2, 5), atol=1e-5)

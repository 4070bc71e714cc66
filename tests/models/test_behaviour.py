"""What models do is found out by trying, and what would be silently wrong is refused."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import nn

import icot_tui.models.behaviour as behaviours
from icot_tui.config import ModelConfig
from icot_tui.errors import UserError
from icot_tui.methods.pause import PauseReading
from icot_tui.models.behaviour import (
    Behaviour,
    behaviour,
    doubts,
    has_dropout,
    next_logits,
    refuse_dead_words,
    without_gradient,
)
from icot_tui.models.build import build_model
from icot_tui.models.latent_lm import latent_lm
from icot_tui.models.loading import load_pretrained
from icot_tui.models.next_logits import CachedRows, WholeRows
from icot_tui.models.positions import extend_positions, position_count
from icot_tui.models.residual_stream import ResidualStream
from icot_tui.models.supervised import SupervisedLM, check_balance
from icot_tui.models.wrapped import WrappedLM
from tests.families.configs import WORDS, tiny_model


@pytest.mark.parametrize(
    ("family", "uses_cache", "uses_positions"),
    [
        ("gpt2", True, True),
        ("llama", True, True),
        ("mistral", True, True),
        ("gemma2", True, True),
        ("bloom", True, False),
        ("falcon_alibi", True, False),
        ("mamba", True, False),
        ("jamba", True, False),
        ("qwen3_next", True, True),
        ("minimax", True, True),
        ("rwkv", False, False),
        ("recurrent_gemma", False, True),
        ("bart", False, False),
    ],
)
def test_cache_and_positions_of_families(
    family: str, uses_cache: bool, uses_positions: bool
) -> None:
    lm = tiny_model(family)
    assert behaviour(lm) == Behaviour(uses_cache, uses_positions)
    assert isinstance(next_logits(lm), CachedRows if uses_cache else WholeRows)
    assert len(doubts(lm)) == (not uses_cache)


def test_what_rounding_makes_unequal_is_tried_again_in_double_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(behaviours.TOLERANCE, torch.float32, -1.0)  # as if nothing were equal
    lm = tiny_model("llama")
    before = {
        name: tensor.clone() for name, tensor in (*lm.named_parameters(), *lm.named_buffers())
    }
    same = [*map(id, lm.parameters())]
    assert behaviour(lm) == Behaviour(True, True)
    assert [*map(id, lm.parameters())] == same
    for name, tensor in (*lm.named_parameters(), *lm.named_buffers()):
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    latent_lm(tiny_model("llama"), 0, lambda stage: stage, 2)
    monkeypatch.setattr(behaviours, "fits_in_double", lambda lm: False)
    with pytest.raises(UserError, match="sees the tokens"):
        behaviour(tiny_model("llama"))


def test_it_is_tried_once_and_training_mode_stays() -> None:
    lm, calls = tiny_model("gpt2").train(), []
    lm.register_forward_hook(lambda *_: calls.append(1))
    first = behaviour(lm)
    tried = len(calls)
    assert tried
    assert behaviour(lm) is first
    assert len(calls) == tried
    assert lm.training


def test_a_large_models_behaviour_is_kept_on_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path))
    monkeypatch.setattr(behaviours, "LARGE", 1)
    first, again, other = tiny_model("bloom"), tiny_model("bloom"), tiny_model("bloom", words=50)
    assert behaviour(first) == Behaviour(True, False)
    monkeypatch.setattr(behaviours._Trial, "observe", lambda trial: Behaviour(False, True))
    assert behaviour(again) == Behaviour(True, False)
    assert behaviour(other) == Behaviour(False, True)


def test_a_large_model_is_tried_where_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(behaviours, "LARGE", 1)
    assert behaviour(tiny_model("bloom")) == Behaviour(True, False)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_an_encoder_from_scratch_is_refused(architecture: str) -> None:
    config = ModelConfig(architecture=architecture, layers=1, heads=2, width=16)
    with pytest.raises(UserError, match=f"'{architecture}' (sees the tokens|cannot be asked)"):
        build_model(config, 40, 0, 20, seed=0)


@pytest.mark.parametrize("architecture", ["xlnet", "mamba2"])
def test_sizes_that_a_family_cannot_have_are_told(architecture: str) -> None:
    config = ModelConfig(architecture=architecture, layers=1, heads=2, width=16)
    with pytest.raises(UserError, match=f"'{architecture}' cannot be made of these sizes"):
        build_model(config, 40, 0, 20, seed=0)


def test_a_pad_token_beyond_the_words_is_another() -> None:
    config = ModelConfig(architecture="smollm3", layers=1, heads=2, width=16)
    assert build_model(config, 40, 0, 20, seed=0).config.pad_token_id is None


def test_rows_that_change_each_other_are_refused() -> None:
    lm = tiny_model("gpt2")
    lm.transformer.ln_f.register_forward_hook(lambda _, __, out: out - out.mean(0, keepdim=True))
    with pytest.raises(UserError, match="reads a row otherwise when others stand"):
        behaviour(lm)


def test_numbers_that_are_not_finite_are_refused() -> None:
    lm = tiny_model("gpt2")
    nn.init.constant_(lm.transformer.ln_f.weight, float("nan"))
    with pytest.raises(UserError, match="not finite"):
        behaviour(lm)


def test_words_without_a_gradient_are_refused() -> None:
    lm = tiny_model("llama")
    refuse_dead_words(lm)
    lm.model.embed_tokens.padding_idx = 0
    lm.model.embed_tokens.weight.register_hook(lambda gradient: gradient * 0)
    with pytest.raises(UserError, match="no gradient"):
        refuse_dead_words(lm)


def test_weights_that_no_loss_depends_on_are_found() -> None:
    for family in ("gpt2", "mixtral", "mamba"):
        assert without_gradient(SupervisedLM(tiny_model(family))) == []
    found = without_gradient(SupervisedLM(tiny_model("bart")))
    assert len(found) == 20 and all("encoder_attn" in name for name in found)
    found = without_gradient(SupervisedLM(tiny_model("deepseek_v32")))
    assert len(found) == 10 and all("indexer" in name for name in found)


# Dropout -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "bloom", "falcon", "phi", "gpt_neox"])
def test_dropout_reaches_a_pretrained_family(family: str, tmp_path: Path) -> None:
    tiny_model(family).save_pretrained(tmp_path)
    assert has_dropout(load_pretrained(str(tmp_path), 0.3))
    assert not has_dropout(load_pretrained(str(tmp_path), 0.0))


def test_dropout_that_a_family_lacks_is_refused(tmp_path: Path) -> None:
    tiny_model("mamba").save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path), dropout=0.1)
    with pytest.raises(UserError, match=r"model\.dropout = 0\.1 has no effect .*'mamba'"):
        build_model(config, 40, 0, 20, seed=0)


def test_dropout_that_a_config_has_no_place_for_is_refused(tmp_path: Path) -> None:
    """MPT's attn_pdrop is a whole number."""
    tiny_model("mpt").save_pretrained(tmp_path)
    assert not has_dropout(load_pretrained(str(tmp_path), 0.0))
    with pytest.raises(UserError, match=r"model\.dropout = 0\.1 is not possible .* attn_pdrop"):
        load_pretrained(str(tmp_path), 0.1)


# Positions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "opt", "biogpt", "bart", "gpt_neo", "ctrl", "gptj"])
def test_position_tables_grow(family: str) -> None:
    lm = tiny_model(family).eval()
    ids = torch.arange(120)[None] % 50
    with torch.no_grad():
        before = lm(input_ids=ids[:, :96]).logits
        extend_positions(lm, 120)
        after = lm(input_ids=ids).logits
    torch.testing.assert_close(after[:, :96], before, rtol=1e-4, atol=1e-5)
    assert after.isfinite().all()
    assert lm.config.max_position_embeddings == 120


# Mixtures of experts -------------------------------------------------------------------------


LONG = {"short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize(
    ("rope", "end"),
    [
        ({"rope_type": "longrope", "original_max_position_embeddings": 32} | LONG, 32),
        ({"rope_type": "dynamic", "factor": 2.0}, 96),
    ],
)
def test_no_row_is_so_long_that_all_others_are_read_otherwise(
    rope: dict[str, object], end: int, tmp_path: Path
) -> None:
    model = tiny_model("llama", rope_parameters=rope | {"rope_theta": 1e4})
    model.save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path))
    assert position_count(build_model(config, WORDS, 0, end, seed=0).config) == end
    with pytest.raises(UserError, match=rf"needs {end + 1} positions, .* {end} .*max_length"):
        build_model(config, WORDS, 0, end + 1, seed=0)


def test_a_model_with_more_positions_is_the_same_when_it_is_loaded_again(tmp_path: Path) -> None:
    """YaRN without a factor takes it from the number of positions."""
    rope = {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 32}
    lm = tiny_model("llama", rope_parameters=rope | {"rope_theta": 1e4}).eval()
    ids = torch.arange(30)[None]
    before = lm(input_ids=ids).logits
    extend_positions(lm, 200)
    lm.save_pretrained(tmp_path)
    again = load_pretrained(str(tmp_path)).eval()
    assert again.config.max_position_embeddings == 200
    torch.testing.assert_close(again(input_ids=ids).logits, before)


def test_a_reading_with_tokens_of_its_own_leaves_fewer_positions(tmp_path: Path) -> None:
    rope = {"rope_type": "longrope", "original_max_position_embeddings": 32} | LONG
    lm = tiny_model("llama", rope_parameters=rope | {"rope_theta": 1e4})
    reading = PauseReading(lm.get_input_embeddings(), nn.Embedding(5, 32))
    assert position_count(WrappedLM(lm, reading, 1, {}).config) == 32 - 5


def test_the_auxiliary_loss_is_the_models_own() -> None:
    """For one whole row, all of whose tokens are supervised, and for padded rows."""
    lm = tiny_model("mixtral", output_router_logits=True, router_aux_loss_coef=0.5).eval()
    ids = torch.tensor([[3, 1, 4, 1, 5, 9]])
    objective = SupervisedLM(lm)
    loss = objective(ids[:, :-1], None, torch.arange(5), ids[0, 1:])
    out = lm(input_ids=ids[:, :-1], output_router_logits=True)
    nll = F.cross_entropy(out.logits[0], ids[0, 1:], reduction="sum")
    torch.testing.assert_close(loss, {"nll": nll, "router": 0.5 * out.aux_loss * 5})
    padded = torch.cat([ids[:, :-1], torch.zeros(1, 4, dtype=torch.long)], dim=1)
    again = objective(padded, None, torch.arange(5), ids[0, 1:])
    torch.testing.assert_close(again, loss)


def test_the_auxiliary_loss_is_there_with_adapters_and_refused_where_it_has_no_place() -> None:
    lm = tiny_model("mixtral", output_router_logits=True, router_aux_loss_coef=0.5).eval()
    plain = SupervisedLM(lm)
    check_balance(plain)
    ids, states = torch.tensor([[3, 1, 4, 1, 5, 9]]), torch.arange(5)
    wanted = plain(ids[:, :-1], None, states, ids[0, 1:])
    words = lm.get_input_embeddings()
    reading = PauseReading(words, nn.Embedding(2, lm.config.hidden_size))
    wrapped = SupervisedLM(WrappedLM(lm, reading, 1, {}))
    with pytest.raises(UserError, match="has output_router_logits, but the loss of this method"):
        check_balance(wrapped)
    with pytest.raises(UserError, match="mixtral has output_router_logits"):
        check_balance(lm)  # a loss that is none of ours
    adapted = SupervisedLM(get_peft_model(lm, LoraConfig(r=2, target_modules=["q_proj"])))
    check_balance(adapted)  # an adapter begins as nothing
    torch.testing.assert_close(adapted(ids[:, :-1], None, states, ids[0, 1:]), wanted)
    lm.config.output_router_logits = False
    check_balance(wrapped)


# Precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["mamba", "mamba2"])
def test_state_spaces_in_bfloat16(architecture: str, tmp_path: Path) -> None:
    tiny_model(architecture).save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path), precision="bfloat16")
    lm = build_model(config, 40, 0, 20, seed=0)
    ids = torch.tensor([[3, 1, 4]])
    loss = SupervisedLM(lm)(ids, None, torch.arange(2), ids[0, 1:])
    expected = F.cross_entropy(lm(input_ids=ids).logits[0, :2].float(), ids[0, 1:], reduction="sum")
    torch.testing.assert_close(loss, expected)


def test_a_family_that_cannot_be_in_bfloat16_is_told(tmp_path: Path) -> None:
    tiny_model("openai-gpt").save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path), precision="bfloat16")
    with pytest.raises(UserError, match="'openai-gpt' cannot have weights in bfloat16"):
        build_model(config, 40, 0, 20, seed=0)


def test_a_family_without_gradient_checkpointing_is_told(tmp_path: Path) -> None:
    tiny_model("ctrl").save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path), gradient_checkpointing=True)
    with pytest.raises(UserError, match=r"'ctrl' does not support model\.gradient_checkpointing"):
        build_model(config, 40, 0, 20, seed=0)


def test_a_config_that_insists_on_a_pad_token_is_kept(tmp_path: Path) -> None:
    lm = tiny_model("modernbert-decoder")
    lm.save_pretrained(tmp_path)
    built = build_model(ModelConfig(pretrained=str(tmp_path)), 40, 0, 20, seed=0)
    assert built.config.pad_token_id == 0
    assert built.get_input_embeddings().padding_idx is None


def test_so_it_is_when_the_model_gets_fewer_words(tmp_path: Path) -> None:
    tiny_model("modernbert-decoder", pad_token_id=50).save_pretrained(tmp_path)
    section = ModelConfig(pretrained=str(tmp_path))
    built = build_model(section, WORDS, 3, 20, seed=0, kept=[*range(9)])
    assert built.config.pad_token_id == built.config.eos_token_id == 3


def test_blocks_that_hand_on_several_states_of_a_token_are_not_looked_into() -> None:
    lm, plain = tiny_model("gemma3n_text").train(), tiny_model("gpt2").train()
    with pytest.raises(UserError, match="Gemma3nForCausalLM do not hand on one state a token"):
        ResidualStream(lm)
    ResidualStream(plain)
    assert lm.training and plain.training

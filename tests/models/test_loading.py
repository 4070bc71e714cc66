"""Every weight is accounted for: names, shapes, adapters, what stands in a file's place."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from icot_tui.config import ModelConfig
from icot_tui.errors import UserError
from icot_tui.models.build import build_model, is_adapted
from icot_tui.models.loading import load_pretrained, merged
from tests.families.configs import tiny_model

WORDS, IDS = 40, torch.arange(12).reshape(2, 6)


def gpt2(positions=64):
    torch.manual_seed(0)
    sizes = GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=positions, vocab_size=WORDS)
    return GPT2LMHeadModel(sizes)


def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, intermediate_size=32, vocab_size=WORDS))


@pytest.fixture
def folder(tmp_path):
    gpt2().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file(change(tensors), path, metadata={"format": "pt"})


def test_a_whole_folder_is_read(folder):
    torch.testing.assert_close(
        dict(load_pretrained(str(folder)).state_dict()), dict(gpt2().state_dict()), rtol=0, atol=0
    )


def test_a_missing_tensor_is_named(folder):
    def drop(tensors):
        del tensors["transformer.ln_f.weight"]
        return tensors

    change_tensors(folder, drop)
    with pytest.raises(UserError, match=r"missing transformer\.ln_f\.weight; unknown none"):
        load_pretrained(str(folder))


def test_an_unknown_tensor_is_named(folder):
    change_tensors(folder, lambda tensors: tensors | {"score.weight": torch.ones(2)})
    with pytest.raises(UserError, match=r"missing none; unknown score\.weight"):
        load_pretrained(str(folder))


def test_a_wrong_shape_is_shown(folder):
    change_tensors(folder, lambda tensors: tensors | {"transformer.ln_f.bias": torch.ones(3)})
    with pytest.raises(UserError, match=r"wrong shapes transformer\.ln_f\.bias is 3 instead of 16"):
        load_pretrained(str(folder))


def test_buffers_of_older_versions_are_no_weights(folder):
    masks = {
        "transformer.h.0.attn.bias": torch.ones(1, 1, 4, 4),
        "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    change_tensors(folder, lambda tensors: tensors | masks)
    load_pretrained(str(folder))


def test_names_with_a_prefix_are_refused(folder):
    tensors = {f"module.{name}": value for name, value in gpt2().state_dict().items()}
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"unknown module\."):
        load_pretrained(str(folder))


def test_a_damaged_shard_is_named(folder):
    gpt2().save_pretrained(folder, max_shard_size="5KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(UserError, match=f"{shard.name} is damaged"):
        load_pretrained(str(folder))


def test_quantized_weights_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"quantized \(gptq\)"):
        load_pretrained(str(folder))


def test_a_pointer_of_git_lfs_is_no_file(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    (folder / "model.safetensors").write_text(pointer)
    with pytest.raises(UserError, match=r"model\.safetensors is a Git LFS pointer"):
        load_pretrained(str(folder))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        load_pretrained(str(tmp_path / "nowhere"))


def test_an_encoder_is_refused_and_a_decoder_that_calls_itself_none_is_read(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertForMaskedLM(BertConfig(**sizes, intermediate_size=32, vocab_size=WORDS)).save_pretrained(
        tmp_path / "bert"
    )
    neox = GPTNeoXConfig(**sizes, intermediate_size=32, vocab_size=WORDS)
    assert neox.is_decoder is False
    GPTNeoXForCausalLM(neox).save_pretrained(tmp_path / "neox")
    with pytest.raises(UserError, match="sees the tokens that it should predict"):
        load_pretrained(str(tmp_path / "bert"))
    load_pretrained(str(tmp_path / "neox"))


# What is built from it ---------------------------------------------------------------------


def test_a_pad_token_that_is_the_separator_learns(tmp_path):
    model = llama()
    model.config.pad_token_id = 2
    model.model.embed_tokens.padding_idx = 2
    model.save_pretrained(tmp_path)
    built = build_model(ModelConfig(pretrained=str(tmp_path)), WORDS, 2, 20, seed=0)
    ids = torch.tensor([[4, 2, 5, 2, 6]])
    built(input_ids=ids, labels=ids).loss.backward()
    assert built.get_input_embeddings().weight.grad[2].abs().sum() > 0


def test_bfloat16_weights_keep_exact_rotary_frequencies(tmp_path):
    llama().save_pretrained(tmp_path)
    built = build_model(
        ModelConfig(pretrained=str(tmp_path), precision="bfloat16"), WORDS, 2, 20, seed=0
    )
    built.save_pretrained(tmp_path / "saved")
    again = load_pretrained(str(tmp_path / "saved")).to(torch.bfloat16)
    assert built.model.rotary_emb.inv_freq.dtype == torch.float32
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.bfloat16)
    assert torch.equal(built.eval()(IDS).logits, reloaded(IDS).logits)
    assert torch.equal(dict(again.named_parameters())["lm_head.weight"], built.lm_head.weight)


def test_a_head_of_its_own_stays_one_whatever_the_config_says(folder):
    head = torch.randn(WORDS, 16)
    change_tensors(folder, lambda tensors: tensors | {"lm_head.weight": head})
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"]
    before = AutoModelForCausalLM.from_pretrained(folder)(IDS).logits
    built = build_model(ModelConfig(pretrained=str(folder)), WORDS + 2, 0, 20, seed=0, may_grow=2)
    assert torch.equal(built.eval()(IDS).logits[..., :WORDS], before)
    assert not built.config.tie_word_embeddings


@pytest.mark.parametrize(
    "output", [{"output_attentions": True}, {"output_hidden_states": True}, {"return_dict": False}]
)
def test_a_config_that_wants_other_outputs_is_read_and_can_be_saved(folder, tmp_path, output):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | output))
    model = build_model(ModelConfig(pretrained=str(folder)), WORDS, 0, 20, seed=0).eval()
    assert torch.equal(model(IDS).logits, gpt2().eval()(IDS).logits)
    assert model(IDS).attentions is None and model(IDS).hidden_states is None
    model.save_pretrained(tmp_path / "saved")


# Adapters ------------------------------------------------------------------------------------


def adapted(base, folder, **options):
    """A foreign folder of adapters whose values are not zero."""
    torch.manual_seed(1)
    options = {"r": 3, "lora_alpha": 7, "init_lora_weights": False} | options
    config = LoraConfig(task_type="CAUSAL_LM", **options)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).eval()
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("make", [gpt2, llama])
@pytest.mark.parametrize("targets", ["all-linear", None])
def test_foreign_adapters_answer_as_they_did(tmp_path, make, targets):
    make().save_pretrained(tmp_path / "base")
    model = adapted(tmp_path / "base", tmp_path / "adapters", target_modules=targets)
    loaded = load_pretrained(str(tmp_path / "adapters")).eval()
    assert torch.equal(loaded(IDS).logits, model(IDS).logits)
    torch.testing.assert_close(merged(loaded)(IDS).logits, model(IDS).logits, rtol=1e-4, atol=1e-5)


def test_adapters_beside_trained_modules_answer_as_they_did(tmp_path):
    llama().save_pretrained(tmp_path / "base")
    model = adapted(tmp_path / "base", tmp_path / "adapters", modules_to_save=["lm_head"])
    with torch.no_grad():
        model.base_model.model.lm_head.modules_to_save["default"].weight += 1
    model.save_pretrained(tmp_path / "adapters")
    loaded = load_pretrained(str(tmp_path / "adapters")).eval()
    assert torch.equal(loaded(IDS).logits, model(IDS).logits)


@pytest.mark.parametrize(("family", "words"), [("gpt2", "wte"), ("llama", "embed_tokens")])
@pytest.mark.parametrize("head", [False, True])
def test_adapters_of_words_leave_a_head_of_the_same_weights_as_it_is(tmp_path, family, words, head):
    tiny_model(family, tie_word_embeddings=True).save_pretrained(tmp_path / "base")
    targets = ["lm_head"] if head else [words]
    model = adapted(tmp_path / "base", tmp_path / "adapters", target_modules=targets)
    expected = model(IDS).logits
    whole = merged(model)
    torch.testing.assert_close(whole(IDS).logits, expected, rtol=1e-4, atol=1e-5)
    whole.save_pretrained(tmp_path / "merged")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(again(IDS).logits, expected, rtol=1e-4, atol=1e-5)


def test_adapters_of_a_layer_that_is_there_twice_are_merged_each_into_its_own(tmp_path):
    llama().save_pretrained(tmp_path / "base")
    twice = {"target_modules": ["q_proj"], "layer_replication": [[0, 2], [0, 2]]}
    model = adapted(tmp_path / "base", tmp_path / "adapters", **twice)
    expected = model(IDS).logits
    merged(model).save_pretrained(tmp_path / "merged")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(again(IDS).logits, expected, rtol=1e-4, atol=1e-5)


def test_adapters_that_cannot_be_merged_are_told(folder, tmp_path):
    model = adapted(folder, tmp_path / "adapters", target_modules=["lm_head"], lora_bias=True)
    with pytest.raises(UserError, match=r"the adapters can't be merged .*lora_bias"):
        merged(model)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, r"pissa_niter_4.*path_initial_model"),
        ({"alora_invocation_tokens": [4]}, r"alora_invocation_tokens"),
    ],
)
def test_adapters_that_would_be_another_model_here_are_refused(folder, tmp_path, options, told):
    adapted(folder, tmp_path / "adapters", **options)
    with pytest.raises(UserError, match=told):
        load_pretrained(str(tmp_path / "adapters"))


def test_adapters_with_settings_to_come_are_refused(folder, tmp_path):
    adapted(folder, tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | {"later": None}))
    load_pretrained(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | {"use_later": True}))
    with pytest.raises(UserError, match=r"PEFT does not know \(use_later\): use a newer one"):
        load_pretrained(str(tmp_path))


def test_adapters_that_give_no_finite_numbers_are_refused(folder, tmp_path):
    adapted(folder, tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors[min(tensors)][0, 0] = torch.inf
    save_file(tensors, file)
    with pytest.raises(UserError, match=f"'{tmp_path}' .* numbers that are not finite"):
        load_pretrained(str(tmp_path))


def test_adapters_go_on_training(folder, tmp_path):
    adapted(folder, tmp_path / "adapters")
    built = build_model(ModelConfig(pretrained=str(tmp_path / "adapters")), WORDS, 0, 20, seed=0)
    trained = [name for name, value in built.named_parameters() if value.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    assert built.peft_config["default"].r == 3 and built.peft_config["default"].lora_alpha == 7


def test_adapters_go_on_in_float32_over_a_base_in_bfloat16_as_new_ones_begin(folder, tmp_path):
    adapted(folder, tmp_path / "adapters", use_dora=True)
    for source, lora in ((folder, {"rank": 4}), (tmp_path / "adapters", {})):
        section = ModelConfig(pretrained=str(source), lora=lora, precision="bfloat16")
        formats = {
            (value.requires_grad, value.dtype)
            for value in build_model(section, WORDS, 0, 20, seed=0).parameters()
        }
        assert formats == {(True, torch.float32), (False, torch.bfloat16)}


def test_prompts_that_stand_before_a_model_are_no_adapters(folder, tmp_path):
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    model.save_pretrained(tmp_path / "prompts")
    with pytest.raises(UserError, match="holds PROMPT_TUNING, which is read before the question"):
        load_pretrained(str(tmp_path / "prompts"))


def test_the_base_is_found_relative_to_the_adapters(folder, tmp_path):
    adapted(folder, tmp_path / "adapters")
    path = tmp_path / "adapters" / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": "../base"}
    path.write_text(json.dumps(config))
    assert is_adapted(load_pretrained(str(tmp_path / "adapters")))
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=r"base model .* '\.\./base', is not there"):
        load_pretrained(str(tmp_path / "adapters"))


def test_missing_adapters_are_named(folder, tmp_path):
    adapted(folder, tmp_path / "adapters")
    path = tmp_path / "adapters" / "adapter_model.safetensors"
    tensors = load_file(path)
    gone = sorted(tensors)[0]
    save_file({name: value for name, value in tensors.items() if name != gone}, path)
    with pytest.raises(UserError, match=f"missing {gone}"):
        load_pretrained(str(tmp_path / "adapters"))


def test_alpha_is_taken_as_given(folder):
    config = ModelConfig(pretrained=str(folder), lora={"rank": 4, "alpha": 0.5})
    built = build_model(config, WORDS, 0, 20, seed=0)
    assert built.transformer.h[0].attn.c_attn.scaling == {"default": 0.125}


def test_a_scale_of_zero_is_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        ModelConfig(pretrained="x", lora={"rank": 4, "alpha": 0})


def test_adapters_on_nothing_are_refused():
    with pytest.raises(ValueError, match=r"set model\.pretrained"):
        ModelConfig(lora={"rank": 4})


def test_the_rank_of_saved_adapters_is_their_own(folder, tmp_path):
    adapted(folder, tmp_path / "adapters")
    config = ModelConfig(pretrained=str(tmp_path / "adapters"), lora={"rank": 4})
    with pytest.raises(UserError, match="holds adapters already"):
        build_model(config, WORDS, 0, 20, seed=0)


def test_a_rank_that_no_matrix_has_is_refused(folder):
    config = ModelConfig(pretrained=str(folder), lora={"rank": 10**9})
    with pytest.raises(UserError, match="no matrix of this model has a rank above"):
        build_model(config, WORDS, 0, 20, seed=0)


def test_a_position_table_does_not_grow_under_adapters(folder, tmp_path):
    adapted(folder, tmp_path / "adapters")
    for config in (
        ModelConfig(pretrained=str(folder), lora={"rank": 4}),
        ModelConfig(pretrained=str(tmp_path / "adapters")),
    ):
        with pytest.raises(UserError, match=r"needs 81 positions, .* has 64"):
            build_model(config, WORDS, 0, 81, seed=0)


def test_computed_positions_grow_under_adapters(tmp_path):
    llama().save_pretrained(tmp_path / "base")
    adapted(tmp_path / "base", tmp_path / "adapters")
    config = ModelConfig(pretrained=str(tmp_path / "adapters"))
    assert build_model(config, WORDS, 0, 3000, seed=0).config.max_position_embeddings == 3000


def test_unknown_targets_are_told_by_our_key(folder):
    config = ModelConfig(pretrained=str(folder), lora={"rank": 4, "targets": ["nothing"]})
    with pytest.raises(UserError, match=r"model\.lora does not fit this model"):
        build_model(config, WORDS, 0, 20, seed=0)


def test_adapters_that_a_model_cannot_be_called_with_are_refused(tmp_path):
    tiny_model("phimoe", WORDS).save_pretrained(tmp_path)
    fitting = ModelConfig(pretrained=str(tmp_path), lora={"rank": 2, "targets": ["q_proj"]})
    assert is_adapted(build_model(fitting, WORDS, 0, 16, seed=0))
    every = ModelConfig(pretrained=str(tmp_path), lora={"rank": 2, "targets": "all-linear"})
    with pytest.raises(UserError, match=r"with adapters on these modules: name others in model"):
        build_model(every, WORDS, 0, 16, seed=0)

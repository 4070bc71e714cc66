"""A tiny random model of each family of causal language models: a few thousand parameters."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

WORDS = 64
SIZES: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 96,
    "sliding_window": 16,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
    # Mixtures of experts.
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_topk": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    # Latent attention.
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    # State spaces and linear attention.
    "state_size": 8,
    "mamba_d_state": 8,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "ssm_state_size": 8,
    "n_groups": 1,
    "chunk_size": 16,
    "mamba_chunk_size": 16,
    "time_step_rank": 4,
    "mamba_dt_rank": 4,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "lru_width": 32,
    "attention_window_size": 16,
    # Other names of the same.
    "ffn_dim": 48,
    "word_embed_proj_dim": 32,
    "d_model": 32,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 96,
    "rotary_dim": 4,
    "dim_model": 32,
    "dim_ff": 48,
    "dim_head": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "vocab_size_per_layer_input": WORDS,
    "hidden_size_per_layer_input": 8,
}
"""Given to each config that has the name."""

OWN: Any = ...
"""The family's own default."""
LATENT = {"head_dim": OWN, "num_key_value_heads": 4}
HALF_LINEAR = {"layer_types": ["linear_attention", "full_attention"]}

FAMILIES: dict[str, dict[str, Any]] = {
    "afmoe": {},
    "apertus": {},
    "arcee": {},
    "bamba": {"attn_layer_indices": [1]},
    "bart": {},
    "biogpt": {},
    "bitnet": {},
    "bloom": {},
    "codegen": {},
    "cohere": {},
    "cohere2": {},
    "ctrl": {"dff": 48},
    "cwm": {},
    "deepseek_v2": LATENT,
    "deepseek_v3": LATENT,
    "deepseek_v32": LATENT | {"index_topk": 4, "index_n_heads": 16, "index_head_dim": 16},
    "diffllama": {},
    "doge": {},
    "dots1": {"n_shared_experts": 1},
    "ernie4_5": {},
    "ernie4_5_moe": {"moe_k": 2},
    "exaone4": {"sliding_window_pattern": 2},
    "exaone_moe": {},
    "falcon": {"head_dim": OWN, "new_decoder_architecture": False},
    "falcon_alibi": {"head_dim": OWN, "alibi": True},
    "falcon_h1": {"mamba_d_ssm": 64},
    "falcon_mamba": {},
    "flex_olmo": {},
    "gemma": {},
    "gemma2": {},
    "gemma3_text": {},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "gemma4_text": {"head_dim": OWN, "num_attention_heads": OWN, "num_key_value_heads": OWN},
    "glm": {},
    "glm4": {},
    "glm4_moe": {},
    "glm4_moe_lite": LATENT,
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "num_layers": 2, "num_heads": 4},
    "gpt_neox": {},
    "gpt_oss": {},
    "gptj": {},
    "granite": {},
    "granitemoe": {},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 48},
    "granitemoeshared": {},
    "helium": {},
    "hrm_text": {},
    "hunyuan_v1_dense": {},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "jetmoe": {},
    "lfm2": {},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "lfm3": {"layer_types": ["conv", "full_attention"]},
    "llama": {},
    "llama4_text": {"attention_chunk_size": 8},
    "mamba": {},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "minimax": {},
    "minimax_m2": {},
    "ministral": {},
    "ministral3": {},
    "mistral": {},
    "mistral_whole": {"sliding_window": None},
    "mixtral": {},
    "modernbert-decoder": {"pad_token_id": 0, "cls_token_id": 0, "sep_token_id": 0},
    "mpt": {},
    "nanochat": {},
    "nemotron": {},
    "nemotron_h": {"layers_block_type": ["mamba", "attention"]},
    "olmo": {},
    "olmo2": {},
    "olmo3": {},
    "olmo_hybrid": {},
    "olmoe": {},
    "openai-gpt": {},
    "opt": {},
    "persimmon": {},
    "phi": {},
    "phi3": {"pad_token_id": 0},
    "phimoe": {},
    "qwen2": {},
    "qwen2_moe": {},
    "qwen3": {},
    "qwen3_5_text": HALF_LINEAR,
    "qwen3_5_moe_text": HALF_LINEAR,
    "qwen3_moe": {},
    "qwen3_next": HALF_LINEAR,
    "recurrent_gemma": {"num_hidden_layers": 3},
    "rwkv": {"attention_hidden_size": 32},
    "seed_oss": {},
    "smollm3": {},
    "stablelm": {},
    "starcoder2": {},
    "vaultgemma": {},
    "xglm": {},
    "xlstm": {
        "v_head_dim": OWN,
        "num_blocks": 2,
        "num_heads": 4,
        "ffn_round_up_to_multiple_of": 16,
    },
}
"""Model types, and what is special about their sizes."""

VARIANTS = {"falcon_alibi": "falcon", "mistral_whole": "mistral"}


def tiny_model(family: str, words: int = WORDS, **sizes: Any) -> PreTrainedModel:
    """A random model of a family."""
    kind = VARIANTS.get(family, family)
    blank = AutoConfig.for_model(kind)
    given = {name: value for name, value in SIZES.items() if name in blank.to_dict()}
    words_of = ("vocab_size", "vocab_size_per_layer_input")
    given |= {name: words for name in words_of if name in given} | FAMILIES[family] | sizes
    torch.manual_seed(0)
    given = {name: value for name, value in given.items() if value is not OWN}
    config = AutoConfig.for_model(kind, **given)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model

#!/usr/bin/env bash
# Guess:   llama.cpp computes a GGUF file in float32 in float32, or at least does so with a key-value cache in float32
#          (--cache-type-k f32 --cache-type-v f32): probabilities as transformers has them, to about 1e-6.
# Happens: without options keys and values are rounded to half precision, and log-probabilities are off in the third
#          decimal. The cache's type alone changes nothing, since flash attention, switched on by itself, rounds
#          them again; switched off alone (--flash-attn off), it leaves the cache in half precision. Only both give float32.
# For us:  exporting/gguf.py proves with both, says so in the exported README, and docs/exporting.md too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gguf==0.19.0 numpy
cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import xllamacpp as llama
from gguf import GGUFWriter, TokenType

WIDTH, HEADS, HIDDEN, LAYERS, WORDS = 64, 2, 128, 2, 64
random = np.random.default_rng(0)
words = [chr(33 + number) for number in range(WORDS - 1)] + ["<end>"]
file = GGUFWriter("model.gguf", "llama")
file.add_context_length(256)
file.add_embedding_length(WIDTH)
file.add_block_count(LAYERS)
file.add_head_count(HEADS)
file.add_head_count_kv(HEADS)
file.add_feed_forward_length(HIDDEN)
file.add_layer_norm_rms_eps(1e-5)
file.add_rope_freq_base(10000.0)
file.add_rope_dimension_count(WIDTH // HEADS)
file.add_tokenizer_model("gpt2")
file.add_tokenizer_pre("gpt-2")
file.add_token_list(words)
file.add_token_types([TokenType.NORMAL] * (WORDS - 1) + [TokenType.CONTROL])
file.add_token_merges(["! !"])
file.add_eos_token_id(WORDS - 1)
file.add_bos_token_id(WORDS - 1)
file.add_add_bos_token(False)
square, wide = (WIDTH, WIDTH), (HIDDEN, WIDTH)
shapes = {"token_embd": (WORDS, WIDTH), "output": (WORDS, WIDTH)}
for block in (f"blk.{number}" for number in range(LAYERS)):
    shapes |= {f"{block}.attn_{name}": square for name in ("q", "k", "v", "output")}
    shapes |= {f"{block}.ffn_gate": wide, f"{block}.ffn_up": wide, f"{block}.ffn_down": wide[::-1]}
    shapes |= {f"{block}.attn_norm": (WIDTH,), f"{block}.ffn_norm": (WIDTH,)}
for name, shape in (shapes | {"output_norm": (WIDTH,)}).items():
    values = np.ones(shape) if len(shape) == 1 else random.standard_normal(shape) * 0.3
    file.add_tensor(f"{name}.weight", values.astype(np.float32))
file.write_header_to_file()
file.write_kv_data_to_file()
file.write_tensors_to_file()
file.close()
prompt = "".join(random.choice(words[:-1], 60))


def probabilities(**options):
    params = llama.CommonParams()
    params.model.path, params.n_ctx, params.verbosity = "model.gguf", 256, -1
    for name, value in options.items():
        setattr(params, name, value)
    asked = {"prompt": prompt, "n_predict": 1, "temperature": 0, "logprobs": 5}
    (choice,) = llama.Server(params).handle_completions(asked)["choices"]
    return {one["token"]: one["logprob"] for one in choice["logprobs"]["content"][0]["top_logprobs"]}


cache = dict.fromkeys(("cache_type_k", "cache_type_v"), llama.ggml_type.GGML_TYPE_F32)
off = {"flash_attn_type": llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED}
both = probabilities(**cache, **off)
far = {
    name: max(abs(found[token] - both[token]) for token in both)
    for name, found in {
        "no options": probabilities(),
        "cache in float32": probabilities(**cache),
        "no flash attention": probabilities(**off),
        "both again": probabilities(**cache, **off),
    }.items()
}
print("xllamacpp", version("xllamacpp"), "log-probabilities away from those with both options:", far)
assert far["both again"] < 1e-6
assert far["no options"] > 1e-4 and far["cache in float32"] > 1e-4 and far["no flash attention"] > 1e-4
PY

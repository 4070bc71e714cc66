"""A GGUF file in float32 for llama.cpp, of GPT-2's, Llama's and Qwen2's kind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from icot_tui.errors import UserError
from icot_tui.exporting.portable import Portable, make_portable
from icot_tui.exporting.source import ExportSource, check_answers
from icot_tui.files import put_in_place

if TYPE_CHECKING:
    from gguf import GGUFWriter

FILE = "model.gguf"
KINDS = ("gpt2", "llama", "qwen2")
TANH_GELU = ("gelu_new", "gelu_pytorch_tanh")
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
"""Weights that GPT-2 stores the other way round."""


def export_gguf(source: ExportSource, out: Path) -> None:
    """Write a folder with the file, once llama.cpp has proven it.

    Raises:
        UserError: packages are missing, llama.cpp has no such model or tokenizer, answers differ,
            or it can't be written.
    """
    try:
        import gguf  # noqa: F401
        import xllamacpp  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed, and a GGUF file is proven with it: "
            "pip install 'icot-tui[gguf]'",
            1,
        ) from error
    with put_in_place(out) as folder:
        portable = make_portable(source)
        write_gguf(portable, folder / FILE)
        questions = [text.input for text in source.texts]
        check_answers(source, ask_llama(portable, folder / FILE, questions), "llama.cpp")
        (folder / "README.md").write_text(_note(portable), encoding="utf-8")


def _note(portable: Portable) -> str:
    return (
        "A model for llama.cpp, in float32. The prompt, greedily continued until end-of-text, is\n"
        f"`{portable.prompt}` with special tokens parsed and no start token added; the answer\n"
        "stands after `####`. It was proven with everything computed in float32, which llama.cpp\n"
        "does with `--cache-type-k f32 --cache-type-v f32 --flash-attn off`: without, it rounds\n"
        "keys and values to half precision, and a few answers may differ.\n"
    )


def ask_llama(portable: Portable, file: Path, questions: list[str]) -> list[str | None]:
    """The greedy answers of llama.cpp, one question at a time.

    All in float32, which takes two options (findings/llama-cpp-half-cache.sh).

    Raises:
        UserError: it doesn't load the file.
    """
    from xllamacpp import CommonParams, Server, ggml_type, llama_flash_attn_type

    params = CommonParams()
    params.model.path = str(file)
    params.n_ctx = portable.model.config.max_position_embeddings
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = ggml_type.GGML_TYPE_F32
    params.flash_attn_type = llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.special = True
    params.verbosity = -1
    try:
        server = Server(params)
    except RuntimeError as error:
        raise UserError(
            f"nothing was exported: llama.cpp doesn't load its file ({error})", 1
        ) from error
    answers = []
    for question in questions:
        prompt = portable.prompt.replace("{question}", question)
        asked = {"prompt": prompt, "n_predict": portable.max_new_tokens, "temperature": 0}
        (written,) = server.handle_completions(asked)["choices"]
        answers.append(portable.answer(prompt + written["text"]))
    return answers


def write_gguf(portable: Portable, file: Path) -> None:
    """Write the file.

    Raises:
        UserError: llama.cpp has no such model or tokenizer.
    """
    from gguf import GGUFWriter

    model = portable.model
    kind = model.config.model_type
    if kind not in KINDS:
        raise UserError(f"models of type '{kind}' aren't exported to GGUF: {', '.join(KINDS)} are")
    if portable.min_new_tokens:
        raise UserError(
            "llama.cpp can't tell the end of the chain of thought from that of the answer: export "
            "a checkpoint with everything removed, or train with data.separator = 'own'"
        )
    writer = GGUFWriter(file, kind)
    _add_settings(writer, model.config)
    _add_tokenizer(writer, portable)
    for name, tensor in _tensors(model.config, model.state_dict()):
        writer.add_tensor(name, tensor.detach().float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_settings(writer: "GGUFWriter", config: Any) -> None:
    from gguf import LlamaFileType

    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_file_type(LlamaFileType.ALL_F32)
    if config.model_type == "gpt2":
        unusual = config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights
        if config.activation_function not in TANH_GELU or unusual:
            raise UserError("llama.cpp knows GPT-2 with its usual activation and scaling only")
        writer.add_feed_forward_length(config.n_inner or 4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default" or config.hidden_act != "silu":
        raise UserError("models with scaled positions or an unusual activation aren't exported")
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(config.vocab_size)


def _tensors(config: Any, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """All weights by llama.cpp's names; a head that is the embedding is left out."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH[config.model_type.upper()], config.num_hidden_layers)
    for name, tensor in tensors.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new is None:
            raise UserError(f"llama.cpp has no place for the weight {name}")
        if config.model_type == "gpt2" and name.endswith(TRANSPOSED):
            tensor = tensor.T
        if config.model_type == "llama" and "q_proj" in name:
            tensor = _interleaved(tensor, config.num_attention_heads)
        if config.model_type == "llama" and "k_proj" in name:
            tensor = _interleaved(tensor, config.num_key_value_heads)
        yield new, tensor


def _interleaved(tensor: Tensor, heads: int) -> Tensor:
    """Rows of each head as llama.cpp rotates them: pairs side by side, not half a head apart."""
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)


def _add_tokenizer(writer: "GGUFWriter", portable: Portable) -> None:
    """The tokenizer as byte pairs of GPT-2's kind: its own, or one whose tokens are characters."""
    from gguf import TokenType

    tokenizer, rows = portable.tokenizer, portable.model.config.vocab_size
    core = json.loads(tokenizer.backend_tokenizer.to_str())
    special = {token["id"]: token["content"] for token in core["added_tokens"]}
    vocabulary: dict[str, int] = core["model"]["vocab"]
    if core["model"]["type"] == "WordLevel":
        merges = [["Ġ", word[1:]] for word in vocabulary if word[0] == " " and len(word) == 2]
        vocabulary = {word.replace(" ", "Ġ"): number for word, number in vocabulary.items()}
        known = all(word.replace("Ġ", "").isascii() for word in vocabulary)
    else:
        merges = core["model"].get("merges", [])
        before = core.get("pre_tokenizer") or {}
        known = core["model"]["type"] == "BPE" and before.get("type") == "ByteLevel"
        known = known and not before.get("add_prefix_space") and core.get("normalizer") is None
    if not known:
        raise UserError("llama.cpp gets tokenizers of GPT-2's kind, or of ASCII characters")
    words = {number: word for word, number in vocabulary.items()} | special
    tokens = [words.get(number, f"[PAD{number}]") for number in range(rows)]
    kinds = [
        TokenType.CONTROL
        if number in special
        else TokenType.NORMAL
        if number in words
        else TokenType.UNUSED
        for number in range(rows)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in merges])
    writer.add_eos_token_id(int(tokenizer.eos_token_id))
    writer.add_bos_token_id(int(tokenizer.eos_token_id))
    writer.add_add_bos_token(False)

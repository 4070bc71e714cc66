"""Tokenizers of Hugging Face from folders and the hub, as their tokenizer.json has them.

transformers 5.23 gives the tokenizer of a class: the one that tokenizer_config.json names, or that
of the model beside it. Many classes put a pre-tokenizer of their own in place of the saved one.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icot_tui.errors import UserError, first_line
from icot_tui.files import refuse_lfs_pointer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILE = "tokenizer.json"
FILES = ("tokenizer*", "vocab*", "merges*", "*.model")
"""What tokenizers of all kinds are read from."""
HUB_SECONDS = 20
MISTRAL = "MistralCommonBackend"
"""The class for tekken.json, where mistral-common is installed: separators are letters there."""
FEWEST_TOKENS = 5
"""A tokenizer with fewer has its special tokens only."""


def from_folder(path: Path, said_by: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a folder, which `said_by`, a setting or option, names.

    Raises:
        UserError: there is none that can be read.
    """
    nothing = UserError(
        f"the folder {path} holds no readable tokenizer: {said_by} needs one with "
        f"{TOKENIZER_FILE} and tokenizer_config.json"
    )
    for pattern in FILES:
        for file in path.glob(pattern):
            refuse_lfs_pointer(file)
    try:
        tokenizer = _as_saved(_read_folder(path), path)
    except Exception as error:  # whatever third-party loaders raise, the cause is the folder
        if not (path / TOKENIZER_FILE).is_file():
            raise nothing from error
        told = f"{TOKENIZER_FILE} or tokenizer_config.json is damaged ({first_line(error)})"
        raise UserError(f"the folder {path} holds no readable tokenizer: {told}") from error
    if len(tokenizer) < FEWEST_TOKENS:  # what a model's folder without a tokenizer gives
        raise nothing
    return tokenizer


def from_hub(name: str, said_by: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of that name on the hub, or its downloaded copy.

    Raises:
        UserError: it can't be had.
    """
    from huggingface_hub import try_to_load_from_cache

    tokenizer = _download(name, said_by)
    file = try_to_load_from_cache(name, TOKENIZER_FILE)
    return _as_saved(tokenizer, Path(file).parent) if isinstance(file, str) else tokenizer


def _read_folder(path: Path) -> "PreTrainedTokenizerBase":
    """A folder's tokenizer, of the class that tokenizer_config.json names.

    AutoTokenizer goes by the model beside it: in a folder of Qwen2's kind, it gives Qwen2's class,
    whatever tokenizer was saved there.
    """
    from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerFast

    named = _named_class(path)
    if named in ("TokenizersBackend", "PreTrainedTokenizer"):
        return PreTrainedTokenizerFast.from_pretrained(str(path))
    read: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(path), trust_remote_code=False
    )
    if type(read).__name__ in (named, "TokenizersBackend") or not named:
        return read
    unknown_model = PreTrainedConfig()
    return AutoTokenizer.from_pretrained(str(path), config=unknown_model, trust_remote_code=False)


def _named_class(path: Path) -> str:
    """The class of a folder's tokenizer, without "Fast"; "" if none is named for tokenizer.json."""
    config = path / "tokenizer_config.json"
    if not config.is_file() or not (path / TOKENIZER_FILE).is_file():
        return ""
    name = json.loads(config.read_text(encoding="utf-8")).get("tokenizer_class")
    return name.removesuffix("Fast") if isinstance(name, str) else ""


def _as_saved(read: "PreTrainedTokenizerBase", folder: Path) -> "PreTrainedTokenizerBase":
    """A tokenizer, or that of the folder's tokenizer.json where its class splits texts otherwise.

    It would join digits that were kept apart (findings/transformers-class-splits-anew.sh). Older
    files of SentencePiece's kind have no pre-tokenizer: there the class's is meant. See also
    findings/transformers-tokenizer-by-mistral-common.sh.
    """
    from transformers import PreTrainedTokenizerFast

    if not (folder / TOKENIZER_FILE).is_file():
        return read
    saved = PreTrainedTokenizerFast.from_pretrained(str(folder))
    if type(read).__name__ == MISTRAL:
        return saved
    core = saved.backend_tokenizer
    if core.pre_tokenizer is None or saved.eos_token_id is None:
        return read
    same = read.is_fast and _splitting(read.backend_tokenizer) == _splitting(core)
    return read if same else saved


def _splitting(core: "Tokenizer") -> list[Any]:
    """What is done to a text before its parts become tokens, but for what only moves offsets."""
    return [
        part and json.loads(part.__getstate__(), object_hook=_without_offsets)
        for part in (core.normalizer, core.pre_tokenizer)
    ]


def _without_offsets(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "trim_offsets"}


def _download(name: str, said_by: str) -> "PreTrainedTokenizerBase":
    from huggingface_hub import model_info
    from transformers import AutoTokenizer

    with suppress(Exception):  # what was downloaded before needs no network
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False, local_files_only=True)
    try:
        model_info(name, timeout=HUB_SECONDS)  # fails at once where the loader tries for a minute
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # whatever third-party loaders raise, the cause is the name
        raise UserError(
            f"the tokenizer '{name}' is neither a folder nor available on the Hugging Face hub: "
            f"check {said_by}, the network, and your access to it"
        ) from error

"""A vocabulary as large as the data: the tokenizer's tokens in another order, the data's first.

A model then needs rows for the first ones only. The tokenizer still is the whole one and splits
any text as before, so that a token without a row is seen, and never another one in its place.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.steps import StepEnds
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int64]

KEPT = "kept_tokens"
"""In tokenizer_config.json: how many tokens, from 0 on, a model has rows for."""
KINDS = ("BPE", "WordLevel", "WordPiece")
"""Tokenizers whose tokens may be numbered in any order."""
EXAMPLES_AT_ONCE = 1 << 16


def kept_tokens(tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many of a tokenizer's tokens a model has rows for, from 0 on; usually all."""
    kept, count = tokenizer.init_kwargs.get(KEPT), id_count(tokenizer)
    return kept if type(kept) is int and 0 < kept < count else count


def id_count(tokenizer: "PreTrainedTokenizerBase") -> int:
    """One more than the greatest id: more than there are tokens, where ids skip numbers."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def used_tokens(splits: Sequence[EncodedSplit], ids: int) -> Ids:
    """The ids that stand in some splits, sorted; all are below `ids`."""
    used = np.zeros(ids, dtype=bool)
    for split in splits:
        for start in range(0, len(split), EXAMPLES_AT_ONCE):
            end = min(start + EXAMPLES_AT_ONCE, len(split))
            used[split.tokens[split.starts[start] : split.starts[end]]] = True
    return np.flatnonzero(used)


def rows_before(
    tokenizer: "PreTrainedTokenizerBase", before: "PreTrainedTokenizerBase"
) -> list[int]:
    """The ids that the kept tokens had in the tokenizer `before`, in their new order."""
    known = before.get_vocab()
    kept = tokenizer.convert_ids_to_tokens(list(range(kept_tokens(tokenizer))))
    return [known[token] for token in kept]


def with_first(
    tokenizer: "PreTrainedTokenizerBase", first: Sequence[int]
) -> "PreTrainedTokenizerBase":
    """The tokenizer with the tokens of these ids numbered from 0 on, and marked as kept.

    The others follow in their order.

    Raises:
        UserError: it is of a kind whose tokens can't be numbered otherwise.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    core = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {}
    kind = core.get("model", {}).get("type", "slow")
    if kind not in KINDS:
        raise UserError(
            f"model.vocabulary = 'data' takes tokenizers of the kinds {', '.join(KINDS)}, and "
            f"this one is of the kind {kind}: leave it out"
        )
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    chosen = set(first)
    order = [*first, *(number for _, number in words if number not in chosen)]
    new = {number: place for place, number in enumerate(order)}
    core["model"]["vocab"] = {word: new[number] for word, number in words}
    for token in core["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber(core.get("post_processor"), new)
    special = {
        name: value
        for name, value in tokenizer.special_tokens_map.items()
        if name != "extra_special_tokens"
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(core)),
        extra_special_tokens=list(tokenizer.extra_special_tokens),
        clean_up_tokenization_spaces=False,
        **special,
        **{KEPT: len(first)},
    )


def _renumber(part: Any, new: dict[int, int]) -> None:
    """Change the ids in a post-processor, in place."""
    if isinstance(part, list):
        for one in part:
            _renumber(one, new)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "ids":
                part[key] = [new[number] for number in value]
            elif key in ("sep", "cls"):  # [token, id]
                part[key] = [value[0], new[value[1]]]
            else:
                _renumber(value, new)


def renumbered(split: EncodedSplit, new: Ids, dtype: DTypeLike) -> Iterator[EncodedSplit]:
    """The split in pieces, with `new[id]` for each id."""
    for start in range(0, len(split), EXAMPLES_AT_ONCE):
        end = min(start + EXAMPLES_AT_ONCE, len(split))
        starts = split.starts[start : end + 1]
        tokens = new[split.tokens[starts[0] : starts[-1]]].astype(dtype)
        steps = None
        if split.steps is not None:
            at = split.steps.starts[start : end + 1]
            steps = StepEnds(split.steps.ends[at[0] : at[-1]], at - at[0])
        prompts, cots = split.prompt_lengths[start:end], split.cot_lengths[start:end]
        yield EncodedSplit(tokens, starts - starts[0], prompts, cots, steps)

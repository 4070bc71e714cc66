"""From the data section of a config to encoded, memory-mapped splits."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.config import DataConfig
from icot_tui.config.sections import Vocabulary
from icot_tui.data import cache
from icot_tui.data.cache import seal, sealed_facts
from icot_tui.data.encoded import EncodedSplit, read_split, write_split
from icot_tui.data.encoding import Encoder
from icot_tui.data.overlap import Overlap
from icot_tui.data.splits import ExampleSource, open_source
from icot_tui.data.tasks import Task
from icot_tui.data.tokenizing import (
    CHARACTER,
    CHARACTER_VERSION,
    OWN_SEPARATORS,
    add_own_separators,
    character_tokenizer,
    pretrained_tokenizer,
    separator_id,
    separators,
    start_tokens,
)
from icot_tui.data.vocabulary import id_count, renumbered, used_tokens, with_first
from icot_tui.errors import UserError
from icot_tui.units import Unit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT_VERSION = 1
"""To be raised when the same text and tokenizer would be written otherwise."""
STEPS_VERSION = 1
"""To be raised when steps would end elsewhere."""
VOCABULARY_VERSION = 1
"""To be raised when the vocabulary of the same data would be another."""
TOKENIZER_FOLDER = "tokenizer"
TRIED = 64
"""Examples of each split that a tokenizer with the data's tokens first must encode as before."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """All that training and evaluation need to know of the data.

    separator_id  the tokenizer's end-of-text token; see `tokenizing.separators` for all three
    ood           out-of-distribution problems, which only `eval` and reports look at
    whole         the tokenizer before, where `tokenizer` has the tokens of this data first
    task          None where files were given
    warnings      what is doubtful about the data, a sentence each
    overlaps      what stands in two splits; among the warnings, too
    fingerprint   the same for the same text and tokenizer, on any machine
    """

    train: EncodedSplit
    validation: EncodedSplit
    test: EncodedSplit | None
    ood: EncodedSplit | None
    tokenizer: "PreTrainedTokenizerBase"
    separator_id: int
    task: Task | None
    warnings: list[str]
    overlaps: list[Overlap]
    fingerprint: str
    whole: "PreTrainedTokenizerBase | None" = None

    @property
    def splits(self) -> dict[str, EncodedSplit]:
        """All there are, by name."""
        named = {"test": self.test, "ood": self.ood}
        there = {name: split for name, split in named.items() if split is not None}
        return {"train": self.train, "validation": self.validation} | there


def load_data(config: DataConfig, unit: Unit = "token", vocabulary: Vocabulary = "all") -> Data:
    """Make or read the data, encode it, and keep it in the cache for the next time.

    With the ends of reasoning steps, if those are the `unit` of removal. With the vocabulary
    "data", ids count the tokens of the data first; a character tokenizer has no others. Any number
    of processes may call it at once: one does the work, the others wait for it.

    Raises:
        UserError: wrong task or options, missing or malformed file, unusable tokenizer, no room; or
            nothing says where steps end.
    """
    source = open_source(config, unit)
    tokenizer = None if config.tokenizer == CHARACTER else pretrained_tokenizer(config.tokenizer)
    own = config.separator == "own"
    if tokenizer is not None:
        _apply(config, tokenizer)
    identity = source.identity() | {
        "format": FORMAT_VERSION,
        "tokenizer": _tokenizer_identity(tokenizer, own),
    }
    if unit == "step":
        identity["steps"] = [STEPS_VERSION, config.step_end]
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = cache.entry(key, lambda scratch: _build(scratch, source, tokenizer, own))
    data = _read(folder, source.task, tokenizer)
    if vocabulary == "all" or tokenizer is None:
        return data
    identity = {"of": data.fingerprint, "vocabulary": VOCABULARY_VERSION}
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    facts = sealed_facts(folder) or {}
    folder = cache.entry(key, lambda scratch: _keep_vocabulary(scratch, source, data, facts))
    return replace(_read(folder, source.task, None), whole=tokenizer)


def _keep_vocabulary(
    folder: Path, source: ExampleSource, data: Data, facts: dict[str, object]
) -> None:
    """Write the same data with the tokens that stand in it first, and a tokenizer to it."""
    splits = data.splits
    ids = id_count(data.tokenizer)
    kept = used_tokens(list(splits.values()), ids)
    tokenizer = with_first(data.tokenizer, kept.tolist())
    new = np.zeros(ids, dtype=np.int64)
    new[kept] = np.arange(len(kept))
    dtype = np.dtype(np.uint16 if len(kept) <= 1 << 16 else np.uint32)
    tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)
    again = Encoder(pretrained_tokenizer(str(folder / TOKENIZER_FOLDER)), fast=False)
    for name, split in splits.items():
        write_split(folder, name, renumbered(split, new, dtype), dtype)
        chunk = next(source.chunks(name))
        some = b"".join(islice(chunk.lines(), TRIED))
        tried = again.encode(replace(chunk, text=some)).tokens
        if not np.array_equal(tried, new[split.tokens[: len(tried)]]):
            raise UserError(
                "model.vocabulary = 'data' doesn't go with this tokenizer, which would read the "
                "data otherwise: leave it out"
            )
    seal(folder, facts)


def _apply(config: DataConfig, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Make a pretrained tokenizer what `data.separator` says."""
    if config.separator == "own":
        add_own_separators(tokenizer)
    elif config.separator == "eos" and len(set(separators(tokenizer))) > 1:
        raise UserError(
            f"the tokenizer {config.tokenizer} has separators of its own "
            f"({' and '.join(OWN_SEPARATORS)}): leave data.separator out, or set it to own"
        )


def _build(
    folder: Path, source: ExampleSource, tokenizer: "PreTrainedTokenizerBase | None", own: bool
) -> None:
    if tokenizer is None:
        tokenizer = character_tokenizer(source.alphabet())
        if own:
            add_own_separators(tokenizer)
        try:
            tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)
        except OSError:
            raise
        except Exception as error:  # the tokenizers library raises nothing more precise
            raise OSError(str(error)) from error
    warnings, overlaps = source.doubts()
    encoder = Encoder(tokenizer)
    for name in source.names:
        parts = map(encoder.encode, source.chunks(name))
        written = _with_steps(parts, name) if source.unit == "step" else parts
        if write_split(folder, name, written, encoder.dtype) == 0:
            raise UserError(f"the {name} file holds no examples, only blank lines")
    facts = {"warnings": warnings, "overlaps": [asdict(one) for one in overlaps]}
    seal(folder, {"names": source.names, **facts})


def _with_steps(parts: Iterable[EncodedSplit], name: str) -> Iterator[EncodedSplit]:
    """The same pieces of a split; a UserError if none of them tells where its steps end."""
    known = False
    for part in parts:
        known = known or part.steps is not None
        yield part
    if not known:
        raise UserError(
            f"the {name} examples do not say where the steps of their chains of thought end, which "
            "curriculum.unit = 'step' needs: set data.step_end to what ends a step, such as '.', "
            "or give chains as lists of steps"
        )


def _read(folder: Path, task: Task | None, tokenizer: "PreTrainedTokenizerBase | None") -> Data:
    if tokenizer is None:
        tokenizer = pretrained_tokenizer(str(folder / TOKENIZER_FOLDER))
    facts = sealed_facts(folder)
    assert facts is not None, "the cache hands out whole entries only"
    overlaps = [Overlap(**one) for one in facts.get("overlaps", ())]  # older entries only warn
    return Data(
        train=read_split(folder, "train"),
        validation=read_split(folder, "validation"),
        test=read_split(folder, "test") if "test" in facts["names"] else None,
        ood=read_split(folder, "ood") if "ood" in facts["names"] else None,
        tokenizer=tokenizer,
        separator_id=separator_id(tokenizer),
        task=task,
        warnings=[*facts["warnings"], *(one.words for one in overlaps)],
        overlaps=overlaps,
        fingerprint=folder.name,
    )


def _tokenizer_identity(tokenizer: "PreTrainedTokenizerBase | None", own: bool) -> object:
    """What the ids depend on; a character tokenizer follows from the text and the separators."""
    if tokenizer is None:
        return [CHARACTER, CHARACTER_VERSION, *(OWN_SEPARATORS if own else ())]
    start = [start] if (start := start_tokens(tokenizer)) else []
    if tokenizer.is_fast:
        return [tokenizer.eos_token, tokenizer.backend_tokenizer.to_str(), *start]
    return [tokenizer.eos_token, type(tokenizer).__name__, tokenizer.get_vocab(), *start]

"""A model as standard decoding needs it: end-of-text ends the answer, positions count from 0.

Nothing is trained: adapters are merged, rows of the vocabulary are copied, and rows of the position
table that are never read are taken out.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from icot_tui.data.tokenizing import (
    OWN_SEPARATORS,
    add_own_separators,
    encode_prompt,
    separator_texts,
    separators,
)
from icot_tui.data.vocabulary import id_count, kept_tokens, with_first
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.errors import UserError
from icot_tui.exporting.source import ExportSource
from icot_tui.models.build import copy_rows, is_adapted
from icot_tui.models.loading import merged
from icot_tui.models.positions import extend_positions, position_tables

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Portable:
    """What is written for another program.

    Attributes:
        model, tokenizer: changed in place, so that the source's model answers no more.
        prompt: the template, with `{question}` in it.
        separators: a regular expression that splits prompt and continuation into question, chain
            of thought, answer, and what follows.
        max_new_tokens: budget of an answer.
        min_new_tokens: end-of-text may not be written before; 0 without a limit.
        copied: the token that stands for end-of-text until then, if there is a limit.
        question_tokens: of every prompt, where the position table fits only these; else None.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    prompt: str
    separators: str
    max_new_tokens: int
    min_new_tokens: int = 0
    copied: int | None = None
    question_tokens: int | None = None

    def answer(self, text: str) -> str | None:
        """The answer in a prompt with its continuation; None where it is not complete."""
        parts = re.split(self.separators, text)
        return parts[2].partition("####")[2].strip() or None if len(parts) > 3 else None


def make_portable(source: ExportSource) -> Portable:
    """The source's model for standard decoding; see `Portable`.

    Raises:
        UserError: standard decoding can't do what the model was trained to do.
    """
    opened, examples = source.opened, source.examples
    model, tokenizer = opened.model, opened.tokenizer
    if is_adapted(model):
        model = merged(cast("PeftModel", model))
    gap = _gap(source)
    longest = int((examples.prompt_lengths + examples.shift.tokens).max())
    extend_positions(model, longest + source.budget)
    if gap is not None:
        close_positions(model, *gap)
    question_end, fewest, written, copied = separator_texts(tokenizer)[0], 0, 0, None
    blank = "" if _without_blank(tokenizer, source.texts[0].input) else " "
    if len(set(separators(tokenizer))) == 1:
        if source.prepared.implicit:
            question_end, written = 2 * question_end, 1
        else:
            fewest = int(examples.cot_lengths.max()) + 1
            tokenizer = _split_separator(source, model, tokenizer, fewest)
            copied = int(tokenizer.added_tokens_encoder[OWN_SEPARATORS[1]])
    marks = dict.fromkeys(separator_texts(tokenizer))
    if any(brace in mark for mark in marks for brace in "{}"):
        raise UserError("the tokenizer's separators hold braces, as prompt templates do")
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return Portable(
        model=model.eval(),
        tokenizer=tokenizer,
        prompt=f" {{question}}{blank}{question_end}",
        separators="|".join(map(re.escape, marks)),
        max_new_tokens=source.budget - written,
        min_new_tokens=fewest,
        copied=copied,
        question_tokens=None if gap is None else int(examples.prompt_lengths[0]),
    )


def _without_blank(tokenizer: "PreTrainedTokenizerBase", question: str) -> bool:
    """Does the separator swallow the blank before it, so that it may as well be left out?"""
    text = f" {question}{separator_texts(tokenizer)[0]}"
    return bool(tokenizer(text)["input_ids"] == encode_prompt(tokenizer, question))


def _gap(source: ExportSource) -> tuple[int, int] | None:
    """From which token on position ids are shifted, and by how much; None where none are."""
    shift = source.examples.shift
    if not shift.tokens.any():
        return None
    pairs = np.unique(np.stack([shift.start, shift.tokens]), axis=1)
    if pairs.shape[1] > 1 or len(np.unique(source.examples.prompt_lengths)) > 1:
        raise UserError(
            "the model keeps the positions of removed tokens, and its questions or chains of "
            "thought have different lengths: no other program can ask it so; train with "
            "curriculum.keep_positions = false"
        )
    start, tokens = pairs[:, 0].tolist()
    return int(start), int(tokens)


@torch.no_grad()
def close_positions(model: "PreTrainedModel", start: int, gap: int) -> None:
    """Take `gap` rows out of the position table, from `start` on, so that ids need no shift.

    Raises:
        UserError: the model has no such table.
    """
    size = position_table(model)
    tables = [] if size is None else list(position_tables(model, size))
    if not tables or size is None:
        raise UserError(
            "the model keeps the positions of removed tokens, but computes positions instead of "
            "reading them from a table: no other program can ask it so"
        )
    for table, offset in tables:
        kept = torch.cat([table.weight[: start + offset], table.weight[start + offset + gap :]])
        table.weight = torch.nn.Parameter(kept, table.weight.requires_grad)
        table.num_embeddings -= gap
    model.config.max_position_embeddings = size - gap


def _split_separator(
    source: ExportSource,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    fewest: int,
) -> "PreTrainedTokenizerBase":
    """Give end-of-text after the chain of thought a token of its own, with the same rows.

    The two have equal logits but for rounding (findings/torch-equal-rows-unequal-logits.sh), and
    the generation config puts the new one a little behind: it is written only where end-of-text
    may not be.

    Raises:
        UserError: some answers end before other chains of thought do.
    """
    examples = source.examples
    if fewest >= int(examples.target_lengths.min()):
        raise UserError(
            "end-of-text ends both the chain of thought and the answer, and some answers end "
            "before other chains do: no other program can tell the two apart; export a "
            "checkpoint with everything removed, or train with data.separator = 'own'"
        )
    end, new, tokens = int(tokenizer.eos_token_id), kept_tokens(tokenizer), id_count(tokenizer)
    add_own_separators(tokenizer, OWN_SEPARATORS[1:])
    if new < tokens:  # a model of some of the words
        tokenizer = with_first(tokenizer, [*range(new), tokens])
    if new >= model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(new + 1, mean_resizing=False)
    copy_rows(model, end, slice(new, new + 1))
    return tokenizer

"""Exact match of greedy answers on a whole split, without decoding most of them.

Definition: from ` {x} SEP` the model writes the arg-max until its second separator or until the
budget is spent. Its answer is the text after the first `####` between its two separators, without
blanks around it; it counts when it equals the gold answer, as text or as a number. An answer that
was never closed, or has no `####`, is wrong. docs/evaluation.md proves that the shortcut below
gives just that.

n examples of a shard, T supervised tokens of them all, A places of the longest answer.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import TokenFormat
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.engine.evaluation.greedy import GoldPass, GreedyWriter, run_gold_pass, score
from icot_tui.engine.evaluation.samples import Sample, choose_samples
from icot_tui.engine.evaluation.staged_examples import Ints, StagedExamples
from icot_tui.errors import Check, UserError, never_cancelled
from icot_tui.models.positions import position_count
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import ask_at_stage

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def evaluate(
    model: SupervisedLM,
    split: EncodedSplit,
    stage: int,
    token_format: TokenFormat,
    config: EvaluationConfig,
    check: Check = never_cancelled,
    shard: tuple[int, int] = (0, 1),
) -> EvaluationResult:
    """Evaluate a model on held-out examples with `stage` tokens removed, without smoothing.

    The random generators are left alone, and the model goes back to training mode if it was in it.
    `check` is called between batches. Of a `shard` (rank, world), only the examples rank,
    rank + world, ... are evaluated; see `exact_match.merge`.

    Raises:
        Cancelled: `check` raised it.
        UserError: the tokenizer does not give `####` back.
    """
    index, size = np.arange(shard[0], len(split), shard[1]), config.batch_size
    table = position_table(model.lm)
    examples = StagedExamples.of(token_format, split, index, stage, config.max_new_tokens, table)
    answers = AnswerReader(token_format, config.compare)
    ask_at_stage(model.lm, stage)
    with eval_mode(model):
        gold = run_gold_pass(model, examples, size, check)
        writer = GreedyWriter(model, examples, gold, size, check)
        answer_begin = examples.cot_lengths + 1 + mark_lengths(examples, answers)

        diverged = gold.divergence >= 0
        # Greedy decoding comes to the divergence, or else to the end, within the budget.
        last = np.where(diverged, gold.divergence, examples.target_lengths - 1)
        in_budget = last < examples.budgets
        in_answer = diverged & (gold.divergence >= answer_begin)
        hopeless = np.zeros(len(examples), dtype=np.bool_)
        hopeless[in_answer] = answers.never_equal(gold.chosen[in_answer], gold.expected[in_answer])
        undecided = np.flatnonzero(diverged & in_budget & ~hopeless)

        right = ~diverged & in_budget
        for row, written in zip(undecided.tolist(), writer.written(undecided), strict=True):
            right[row] = _is_right(answers, written, examples.answer_section(row))
        samples = _take_samples(writer, right, config.samples)
    answer_end = examples.target_lengths - 1 - _trailing_blanks(examples, answers)
    hits, counts = _hits_by_place(gold, answer_begin, answer_end)
    closing = gold.place == examples.target_lengths[gold.example] - 1
    return EvaluationResult(
        stage=stage,
        split_examples=len(split),
        index=index,
        right=right,
        losses=gold.losses,
        tokens=len(gold.hit),
        answer_hits=hits,
        answer_counts=counts,
        closing_hits=int(gold.hit[closing].sum()),
        decoded=len(undecided),
        samples_wanted=config.samples,
        compare=config.compare or "text",
        samples=samples,
    )


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """A model without dropout for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def position_table(lm: "PreTrainedModel") -> int | None:
    """How many position ids a model has; None where there is no limit."""
    return position_count(lm.config)


def _is_right(answers: AnswerReader, written: list[int], gold: list[int]) -> bool:
    section = answers.section(written)
    text = None if section is None else answers.text(section)
    return text is not None and answers.equal(text, answers.text(gold) or "")


def mark_lengths(examples: StagedExamples, answers: AnswerReader) -> Ints:
    """[n] tokens of `####`: nearly always the same few, so one example tells for the others."""
    if not len(examples):
        return np.zeros(0, dtype=np.int64)
    first = _mark_length(examples, answers, 0)
    at = examples.answer_begins[:, None] + np.arange(first)
    tokens = examples.split.tokens
    mark = tokens[np.minimum(at, len(tokens) - 1)]
    lengths = np.full(len(examples), first)
    for row in np.flatnonzero((mark != mark[0]).any(axis=1)).tolist():
        lengths[row] = _mark_length(examples, answers, row)
    return lengths


def _mark_length(examples: StagedExamples, answers: AnswerReader, row: int) -> int:
    length = answers.mark_length(examples.answer_section(row))
    if length is None:
        raise UserError(
            f"the tokenizer does not give '{ANSWER_MARK}' back: choose one that knows '#'"
        )
    return length


def _trailing_blanks(examples: StagedExamples, answers: AnswerReader) -> Ints:
    """[n] 1 where the token before the closing separator is nothing but a blank."""
    last = examples.split.starts[examples.index + 1] - 2
    tokens, which = np.unique(examples.split.tokens[last], return_inverse=True)
    blank = [not answers.decode([token]) for token in tokens.tolist()]
    return np.array(blank, dtype=np.int64)[which]


def _hits_by_place(gold: GoldPass, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """([A], [A]) hits and tokens at each place of the answers, which go from begin to end [n]."""
    place = gold.place - begin[gold.example]
    in_answer = (place >= 0) & (gold.place < end[gold.example])
    counts = np.bincount(place[in_answer])
    return np.bincount(place[in_answer & gold.hit], minlength=len(counts)), counts


def _take_samples(writer: GreedyWriter, right: NDArray[np.bool_], wanted: int) -> list[Sample]:
    """Choose so many examples by their [n] verdicts, and read what the model writes for them."""
    examples, losses = writer.examples, writer.gold.losses
    kinds = choose_samples(examples.index, right, losses, wanted, len(examples.split))
    if not kinds:
        return []
    rows = np.searchsorted(examples.index, list(kinds))
    written = writer.written(rows)
    answers = AnswerReader(examples.token_format)
    probabilities = _probabilities(writer.model, examples, rows, written)
    samples = []
    for index, row, ids, chances in zip(kinds, rows, written, probabilities, strict=True):
        question, cot, answer = _gold_texts(answers, examples.split, index)
        model_cot, model_answer, (begin, end) = _model_texts(answers, ids)
        samples.append(
            Sample(
                index=index,
                kind=kinds[index],
                correct=bool(right[row]),
                loss=_finite(losses[row]),
                input=question,
                cot=cot,
                answer=answer,
                model_cot=model_cot,
                model_answer=model_answer,
                tokens=tuple(answers.decode([token]) for token in ids[begin:end]),
                confidence=tuple(map(_finite, chances[begin:end])),
            )
        )
    return samples


def _gold_texts(answers: AnswerReader, split: EncodedSplit, index: int) -> tuple[str, str, str]:
    """Input, chain of thought and answer, whatever the stage removes."""
    tokens = split.example(index).tolist()
    prompt, cot = int(split.prompt_lengths[index]), int(split.cot_lengths[index])
    return (
        answers.decode(tokens[: prompt - 1]),
        answers.decode(tokens[prompt : prompt + cot]),
        answers.text(tokens[prompt + cot + 1 : -1]) or "",
    )


def _model_texts(
    answers: AnswerReader, written: list[int]
) -> tuple[str, str | None, tuple[int, int]]:
    """Chain of thought, answer, and from where to where the answer's tokens stand."""
    parts = answers.parts(written)
    section = parts[1] if len(parts) > 1 else []
    text = answers.text(section)
    start = answers.begin(written)
    begin = start + (answers.mark_length(section) or 0)
    end = begin if text is None else start + len(section) + 1
    return answers.decode(parts[0]), text, (begin, end)


def _probabilities(
    model: SupervisedLM, examples: StagedExamples, rows: Ints, written: list[list[int]]
) -> list[NDArray[np.float64]]:
    """What the model gave each token that it wrote."""
    batch, prompts = examples.batch(rows), examples.prompt_lengths[rows]
    lengths = prompts + np.array([len(tokens) for tokens in written])
    ids = np.full((len(rows), int(lengths.max())), examples.token_format.separator_id)
    for line, gold, n, tokens in zip(ids, batch.ids, prompts, written, strict=True):
        line[:n] = gold[:n]
        line[n : n + len(tokens)] = tokens
    positions = None
    if examples.token_format.plan.keep_positions:
        positions = examples.shift.rows(rows).positions(ids.shape[1])
    nll, _ = score(model, replace(batch, ids=ids, positions=positions, lengths=lengths))
    ends = np.cumsum([len(tokens) for tokens in written])
    return np.split(np.exp(-nll.double().cpu().numpy()), ends[:-1])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

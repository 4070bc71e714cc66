"""Makes samples out of token ids: the gold texts, what the model wrote, and how sure it was."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.greedy import GoldPass, GreedyWriter, score
from icot_tui.engine.evaluation.samples import Sample, choose_samples
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.models.supervised import SupervisedLM


def take_samples(
    model: SupervisedLM,
    examples: StagedExamples,
    gold: GoldPass,
    right: NDArray[np.bool_],
    writer: GreedyWriter,
    wanted: int,
) -> list[Sample]:
    """Choose examples, and read what the model writes for them.

    Args:
        model: in evaluation mode.
        examples: n of them.
        gold: the gold pass over them.
        right: [n] is the answer right?
        writer: what the model writes.
        wanted: how many samples.
    """
    kinds = choose_samples(examples.index, right, gold.losses, wanted, len(examples.split))
    if not kinds:
        return []
    rows = np.searchsorted(examples.index, list(kinds))
    written = writer.written(rows)
    answers = AnswerReader(examples.token_format)
    samples = []
    for index, row, ids, chances in zip(
        kinds, rows, written, _probabilities(model, examples, rows, written), strict=True
    ):
        question, cot, answer = _gold_texts(answers, examples.split, index)
        model_cot, model_answer, (begin, end) = _model_texts(answers, ids)
        samples.append(
            Sample(
                index=index,
                kind=kinds[index],
                correct=bool(right[row]),
                loss=_finite(gold.losses[row]),
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
    model: SupervisedLM,
    examples: StagedExamples,
    rows: NDArray[np.int64],
    written: list[list[int]],
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

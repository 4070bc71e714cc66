"""Exact match of greedy answers on a whole split, without decoding most of them.

The definition: from ` {x} SEP` the model writes the arg-max until its second separator or until
the budget is spent. Its answer is the text after the first `####` between its two separators,
without blanks around it; it counts when it is the gold answer's text. An answer that was never
closed, or has no `####`, is wrong.

The way: one pass over the gold tokens gives the arg-max at each of them. As long as it is the gold
token, greedy decoding writes that token, so

- no divergence: greedy decoding writes the gold tokens: right, nothing to decode;
- a divergence within the answer by a token that no text can make good (`Answers.never_equal`):
  wrong, nothing to decode;
- any other: decoded from there, gold tokens and all.

n examples of a shard, T supervised tokens of them all.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.cancellation import Check, never_cancelled
from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import Batch, RemovalPlan
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.engine.evaluation.decoding import StagedExamples, decode_greedily
from icot_tui.engine.evaluation.exact_match import Evaluation
from icot_tui.engine.evaluation.samples import Answers, Sample, choose, read_sample
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENS_IN_CACHE = 1024
"""Tokens a forward pass and CPU thread: with more, the activations of small models spill over."""


def evaluate(
    model: SupervisedLM,
    split: EncodedSplit,
    stage: int,
    plan: RemovalPlan,
    tokenizer: "PreTrainedTokenizerBase",
    separator_id: int,
    config: EvaluationConfig,
    device: torch.device | str,
    check: Check = never_cancelled,
    shard: tuple[int, int] = (0, 1),
) -> Evaluation:
    """Evaluate a model at a stage, without smoothing.

    The random generators are left alone, and the model goes back to training mode if it was in it.

    Args:
        model: the model, on `device`.
        split: held-out examples.
        stage: tokens removed.
        plan: side, kept positions.
        tokenizer: reads the answers' texts.
        separator_id: the end-of-text token.
        config: batch size, budget, number of samples.
        device: where the model is.
        check: called between batches.
        shard: (rank, world): only the examples rank, rank + world, ...; see
            `exact_match.merge`.

    Raises:
        Cancelled: `check` raised it.
        UserError: the tokenizer does not give `####` back.
    """
    training = model.training
    model.eval()
    try:
        table = getattr(model.lm.config, "max_position_embeddings", None)
        rows = np.arange(shard[0], len(split), shard[1])
        most = config.max_new_tokens
        examples = StagedExamples.of(split, rows, stage, plan, separator_id, most, table)
        answers = Answers(tokenizer, separator_id, plan.answer_only)
        return _Evaluator(model, examples, answers, config, device, check).run()
    finally:
        model.train(training)


@dataclass(frozen=True)
class _GoldPass:
    """What one pass over the gold tokens told.

    owner, place  [T] which of the n examples a token belongs to, and its place among those to write
    hit           [T] is the arg-max the gold token?
    losses        [n] nats, summed over the example
    divergence    [n] place of the first arg-max that is another token; -1 without one
    chosen        [n] the arg-max there
    expected      [n] the gold token there
    """

    owner: NDArray[np.int64]
    place: NDArray[np.int64]
    hit: NDArray[np.bool_]
    losses: NDArray[np.float64]
    divergence: NDArray[np.int64]
    chosen: NDArray[np.int64]
    expected: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        order: NDArray[np.int64],
        lengths: NDArray[np.int64],
        nll: NDArray[np.float32],
        best: NDArray[np.int64],
        targets: NDArray[np.int64],
    ) -> "_GoldPass":
        """From [T] values of examples in this order, with [n] lengths in that of the examples."""
        lengths = lengths[order]
        begins = np.cumsum(lengths) - lengths
        token = np.arange(len(targets))
        hit = best == targets
        losses = np.zeros(len(order))
        divergence, chosen, expected = (np.full(len(order), -1) for _ in range(3))
        if len(order):
            losses[order] = np.add.reduceat(nll.astype(np.float64), begins)
            first = np.minimum.reduceat(np.where(hit, len(token), token), begins)
            diverged = first < len(token)
            first, rows = first[diverged], order[diverged]
            divergence[rows] = first - begins[diverged]
            chosen[rows], expected[rows] = best[first], targets[first]
        owner, place = np.repeat(order, lengths), token - np.repeat(begins, lengths)
        return cls(owner, place, hit, losses, divergence, chosen, expected)


class _Evaluator:
    """The steps of one evaluation; `run` reads from top to bottom."""

    def __init__(
        self,
        model: SupervisedLM,
        examples: StagedExamples,
        answers: Answers,
        config: EvaluationConfig,
        device: torch.device | str,
        check: Check,
    ) -> None:
        self._model = model
        self._examples = examples
        self._answers = answers
        self._config = config
        self._device = device
        self._check = check

    def run(self) -> Evaluation:
        """All of it."""
        examples = self._examples
        gold = self._gold_pass()
        answer_begin = examples.cot + 1 + self._mark_lengths()  # [n] place of the first token of y
        diverged = gold.divergence >= 0
        # Greedy decoding comes to the divergence, or to the end, within the budget.
        in_budget = np.where(diverged, gold.divergence, examples.gold - 1) < examples.budgets
        in_answer = diverged & (gold.divergence >= answer_begin)
        hopeless = np.zeros(len(examples), dtype=np.bool_)
        hopeless[in_answer] = self._answers.never_equal(
            gold.chosen[in_answer], gold.expected[in_answer]
        )
        undecided = np.flatnonzero(diverged & in_budget & ~hopeless)
        decoded = dict(zip(undecided.tolist(), self._decode(gold, undecided), strict=True))
        right = ~diverged & in_budget
        right[undecided] = [self._is_right(row, tokens) for row, tokens in decoded.items()]

        answer_end = examples.gold - 1 - self._trailing_blanks()
        place = gold.place - answer_begin[gold.owner]
        of_answer = (place >= 0) & (gold.place < answer_end[gold.owner])
        closes = gold.place == examples.gold[gold.owner] - 1
        counts = np.bincount(place[of_answer])
        return Evaluation(
            stage=examples.stage,
            split_examples=len(examples.split),
            index=examples.index,
            right=right,
            losses=gold.losses,
            tokens=len(gold.hit),
            answer_hits=np.bincount(place[of_answer & gold.hit], minlength=len(counts)),
            answer_counts=counts,
            closing_hits=int(gold.hit[closes].sum()),
            decoded=len(undecided),
            samples_wanted=self._config.samples,
            samples=self._samples(gold, right, decoded),
        )

    def _gold_pass(self) -> _GoldPass:
        """In batches of like lengths; what the device found is fetched once, at the end."""
        examples = self._examples
        order = np.argsort(-(examples.prompt + examples.gold), kind="stable")
        nll, best, targets = [], [], [np.zeros(0, dtype=np.int64)]
        begin = 0
        while begin < len(order):
            self._check()
            rows = order[begin : begin + self._rows_at_once(order[begin])]
            begin += len(rows)
            batch = examples.batch(rows)
            found = self._score(batch)
            nll.append(found[0])
            best.append(found[1])
            targets.append(batch.supervised()[1])
        return _GoldPass.of(
            order, examples.gold, _fetch(nll), _fetch(best), np.concatenate(targets)
        )

    def _rows_at_once(self, longest: int) -> int:
        size, length = self._config.batch_size, self._examples.prompt + self._examples.gold
        if torch.device(self._device).type == "cpu":
            tokens = TOKENS_IN_CACHE * torch.get_num_threads()
            size = min(size, max(1, tokens // int(length[longest])))
        return size

    def _score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """([T], [T]) negative log-likelihoods and arg-maxes."""
        ids, positions, states, targets = batch.model_inputs()
        return self._model.score(
            self._put(ids),
            None if positions is None else self._put(positions),
            self._put(states),
            self._put(targets),
        )

    def _put(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def _decode(self, gold: _GoldPass, rows: NDArray[np.int64]) -> list[list[int]]:
        """All tokens that the model writes for examples that diverge, the gold ones included."""
        examples, divergence, chosen = self._examples, gold.divergence[rows], gold.chosen[rows]
        prefixes = examples.prefixes(rows, divergence + 1)
        prefixes.ids[:, -1:] = chosen[:, None]
        before = (divergence > examples.cot[rows]).astype(np.int64)
        written = decode_greedily(
            self._model.lm,
            replace(prefixes, separators=before + (chosen == examples.separator_id)),
            examples.separator_id,
            self._device,
            self._config.batch_size,
            self._check,
        )
        return [
            prefixes.ids[row, -1 - divergence[row] :].tolist() + written.row(row)
            for row in range(len(rows))
        ]

    def _is_right(self, row: int, written: list[int]) -> bool:
        section, expected = self._answers.section(written), self._examples.answer_section(row)
        if section is None:
            return False
        return section == expected or self._answers.text(section) == self._answers.text(expected)

    def _mark_lengths(self) -> NDArray[np.int64]:
        """[n] tokens of `####`: nearly always the same few, so one example tells for the others."""
        examples, split = self._examples, self._examples.split
        if not len(examples):
            return np.zeros(0, dtype=np.int64)
        begins = split.starts[examples.index] + examples.prompt + 1
        begins += split.cot_lengths[examples.index]
        first = self._mark_length(0)
        at = begins[:, None] + np.arange(first)
        mark = split.tokens[np.minimum(at, len(split.tokens) - 1)]
        lengths = np.full(len(examples), first)
        for row in np.flatnonzero((mark != mark[0]).any(axis=1)).tolist():
            lengths[row] = self._mark_length(row)
        return lengths

    def _mark_length(self, row: int) -> int:
        length = self._answers.mark_length(self._examples.answer_section(row))
        if length is None:
            raise UserError(
                f"the tokenizer does not give '{ANSWER_MARK}' back: choose one that knows '#'"
            )
        return length

    def _trailing_blanks(self) -> NDArray[np.int64]:
        """[n] 1 where a token that is but a blank stands before the closing separator."""
        split = self._examples.split
        last = split.tokens[split.starts[self._examples.index + 1] - 2]
        tokens, which = np.unique(last, return_inverse=True)
        blank = [not self._answers.decode([token]) for token in tokens.tolist()]
        return np.array(blank, dtype=np.int64)[which]

    def _samples(
        self, gold: _GoldPass, right: NDArray[np.bool_], decoded: dict[int, list[int]]
    ) -> list[Sample]:
        examples, wanted = self._examples, self._config.samples
        kinds = choose(examples.index, right, gold.losses, wanted, len(examples.split))
        if not kinds:
            return []
        rows = np.searchsorted(examples.index, list(kinds))
        written = self._written(gold, rows, decoded)
        probabilities = self._probabilities(rows, written)
        return [
            read_sample(
                answers=self._answers,
                split=examples.split,
                index=index,
                kind=kinds[index],
                correct=bool(right[row]),
                loss=float(gold.losses[row]),
                written=written[at],
                probabilities=probabilities[at],
            )
            for at, (index, row) in enumerate(zip(kinds, rows, strict=True))
        ]

    def _written(
        self, gold: _GoldPass, rows: NDArray[np.int64], decoded: dict[int, list[int]]
    ) -> list[list[int]]:
        """What the model writes for some examples; only what is not known yet is decoded."""
        examples, batch = self._examples, self._examples.batch(rows)
        known = dict(decoded)
        for at, row in enumerate(rows.tolist()):
            if gold.divergence[row] < 0 or gold.divergence[row] >= examples.budgets[row]:
                tokens = batch.ids[at, batch.prompt_lengths[at] : batch.lengths[at]]
                known[row] = tokens[: examples.budgets[row]].tolist()
        unknown = np.array([row for row in rows.tolist() if row not in known], dtype=np.int64)
        known |= zip(unknown.tolist(), self._decode(gold, unknown), strict=True)
        return [known[row] for row in rows.tolist()]

    def _probabilities(
        self, rows: NDArray[np.int64], written: list[list[int]]
    ) -> list[NDArray[np.float64]]:
        """What the model gave each token that it wrote."""
        examples, batch = self._examples, self._examples.batch(rows)
        prompt = examples.prompt[rows]
        lengths = prompt + np.array([len(tokens) for tokens in written])
        ids = np.full((len(rows), int(lengths.max())), examples.separator_id)
        for line, gold, n, tokens in zip(ids, batch.ids, prompt, written, strict=True):
            line[:n] = gold[:n]
            line[n : n + len(tokens)] = tokens
        shift = examples.shift.rows(rows)
        positions = shift.positions(ids.shape[1]) if examples.plan.keep_positions else None
        cot, index = examples.cot[rows], examples.index[rows]
        nll, _ = self._score(Batch(ids, positions, lengths, prompt, cot, index))
        ends = np.cumsum([len(tokens) for tokens in written])
        return np.split(np.exp(-nll.double().cpu().numpy()), ends[:-1])


def _fetch(parts: list[Tensor]) -> NDArray[Any]:
    """Parts from the device as one array."""
    return torch.cat(parts).cpu().numpy() if parts else np.zeros(0)

"""What a model writes greedily, decoded only from where it leaves the gold tokens."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.gold_pass import GoldPass
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.errors import Check
from icot_tui.models.supervised import SupervisedLM


class GreedyWriter:
    """Gives the tokens that greedy decoding writes, and remembers them.

    Up to the divergence they are the gold tokens (docs/evaluation.md).
    """

    def __init__(
        self,
        model: SupervisedLM,
        examples: StagedExamples,
        gold: GoldPass,
        batch_size: int,
        check: Check,
    ) -> None:
        self._model = model
        self._examples = examples
        self._gold = gold
        self._batch_size = batch_size
        self._check = check
        self._known: dict[int, list[int]] = {}

    def written(self, rows: NDArray[np.int64]) -> list[list[int]]:
        """All tokens that the model writes after the prompts of some examples."""
        new = np.array([row for row in rows.tolist() if row not in self._known], dtype=np.int64)
        divergence = self._gold.divergence[new]
        decoded = (divergence >= 0) & (divergence < self._examples.budgets[new])
        self._known |= zip(new[~decoded].tolist(), self._gold_tokens(new[~decoded]), strict=True)
        self._known |= zip(new[decoded].tolist(), self._decode(new[decoded]), strict=True)
        return [self._known[row] for row in rows.tolist()]

    def _gold_tokens(self, rows: NDArray[np.int64]) -> list[list[int]]:
        """The gold tokens, cut off where the budget ends."""
        batch = self._examples.batch(rows)
        ends = np.minimum(batch.lengths, batch.prompt_lengths + self._examples.budgets[rows])
        return [
            ids[begin:end].tolist()
            for ids, begin, end in zip(batch.ids, batch.prompt_lengths, ends, strict=True)
        ]

    def _decode(self, rows: NDArray[np.int64]) -> list[list[int]]:
        """The gold tokens up to the divergence, and what the model writes from there."""
        examples, gold = self._examples, self._gold
        separator = examples.token_format.separator_id
        divergence, chosen = gold.divergence[rows], gold.chosen[rows]
        prefixes = examples.prefixes(rows, divergence + 1)
        prefixes.ids[:, -1:] = chosen[:, None]
        before = (divergence > examples.cot_lengths[rows]).astype(np.int64)
        prefixes = replace(prefixes, separators=before + (chosen == separator))
        lm, size = self._model.lm, self._batch_size
        written = decode(lm, prefixes, separator, batch_size=size, check=self._check)
        return [
            prefixes.ids[row, -1 - divergence[row] :].tolist() + written.row(row)
            for row in range(len(rows))
        ]

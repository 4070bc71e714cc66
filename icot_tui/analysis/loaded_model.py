"""Asking a checkpoint: a question in, an answer with its whole chain of thought out.

To have n of the m tokens of its chain of thought written, the other m - n hidden, a model is asked
exactly as it was trained at stage m - n, with the prompt ` {x} SEP`:

- With side "left" and kept positions, the position ids show how many tokens are gone: the token
  before the gap has the id of the gap's end, and the model continues from there.
- With side "right", the separator is fed after n tokens, and it can't be chosen before.
- With side "left" and without kept positions, nothing in the prompt tells the stages apart: the
  model writes as many tokens as it is used to, and the answer says so. `curriculum.mixed_stages`
  therefore requires kept positions.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from icot_tui.analysis.answer import Answer, AnswerToken, Sampling, token_chooser, whole_chain
from icot_tui.analysis.checkpoints import has_mixed_stages
from icot_tui.analysis.latent_readings import read_latents
from icot_tui.analysis.questions import Question, QuestionReader
from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes, StagedExamples
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import ask_at_stage, reads_by_stage

BATCH_ROWS = 256
"""Rows that are decoded and scored at once; no more than `decode` takes as one batch."""
DEFAULT_BUDGET = 256  # tokens that may be written where no example tells how many are needed


class LoadedModel:
    """A checkpoint that answers questions at its own stage, or at another one.

    The process's random generators are never used.

    label           the run's name, if it belongs to one, and the checkpoint's
    stage, step     when it was written; None where no run wrote it
    chooses_budget  was the run trained at all stages at once, so that a budget can be chosen?
    is_pair         is it ICoT-KD's pair, whose thought is emulated and never written?
    """

    def __init__(self, opened: OpenedCheckpoint, device: torch.device | str = "cpu") -> None:
        self.opened = opened
        self.device = torch.device(device)
        self.lm = opened.model.to(self.device).eval()
        self.token_format = opened.token_format()
        self.stage, self.step = opened.stage, opened.step
        about, config, run = opened.description, opened.config, opened.run
        typical = None if about is None else about.typical_cot_tokens
        self.reader = QuestionReader(opened.tokenizer, opened.data, typical, opened.unit)
        self._positions = position_table(self.lm)
        self._budget = None if config is None else config.evaluation.max_new_tokens
        self.chooses_budget = config is not None and has_mixed_stages(config)
        self.is_pair = opened.answer_only
        self.label = opened.path.name if run is None else f"{run.name}/{opened.path.name}"
        self.bytes = sum(p.numel() * p.element_size() for p in self.lm.parameters())
        compare = None if config is None else config.evaluation.compare
        self._answer_reader = AnswerReader(self.token_format, compare)
        self._scorer = SupervisedLM(self.lm).eval()

    def ask(
        self,
        text: str,
        *,
        raw: bool = False,
        written: int | None = None,
        stage: int | None = None,
        sampling: Sampling | None = None,
    ) -> Answer:
        """Answer one question.

        Args:
            text, raw: see `QuestionReader.read`.
            written: how many chain-of-thought tokens (or steps) to write; None: as the stage says.
            stage: tokens (or steps) removed, instead of the checkpoint's own stage.
            sampling: None: greedily.

        Raises:
            UserError: the question can't be read, is too long, or no stage is known.
        """
        question = self.reader.read(text, raw)
        return self.answer([question], written=written, stage=stage, sampling=sampling)[0]

    def answer(
        self,
        questions: Sequence[Question],
        *,
        written: int | None = None,
        stage: int | None = None,
        sampling: Sampling | None = None,
    ) -> list[Answer]:
        """Answer questions that were read; greedily in batches, sampled one at a time.

        Raises:
            UserError: one is too long for the model, no stage is known, or one was chosen for a
                model that has none.
        """
        if self.is_pair and (written is not None or stage is not None):
            raise UserError(
                f"{self.label} is ICoT-KD's pair, which never writes a chain of thought: neither "
                "written nor removed tokens can be chosen"
            )
        # Sampled rows draw their own tokens; of written tokens, each row has its own stage.
        alone = sampling is not None or (written is not None and reads_by_stage(self.lm))
        size = 1 if alone else BATCH_ROWS
        answers: list[Answer] = []
        for at in range(0, len(questions), size):
            answers += self._answer_batch(questions[at : at + size], written, stage, sampling)
        return answers

    def _answer_batch(
        self,
        questions: Sequence[Question],
        written: int | None,
        stage: int | None,
        sampling: Sampling | None,
    ) -> list[Answer]:
        asked = [self._staged(question, written, stage) for question in questions]
        prefixes = _join([one.prefixes for one in asked])
        ask_at_stage(self.lm, asked[0].stage)
        separators = self.token_format.separators
        forced_end = written if self.token_format.plan.side == "right" else None
        choose = token_chooser(sampling, forced_end, separators.cot)
        began = time.perf_counter()
        found = decode(self.lm, prefixes, separators, choose)
        seconds = (time.perf_counter() - began) / len(questions)
        tokens = [found.row(row) for row in range(len(questions))]
        probabilities = self._probabilities(asked, tokens, prefixes.shift)
        latents = read_latents(self._scorer, prefixes, self.token_text)
        return [
            replace(self._answer(one, wrote, probability, seconds, written), latents=thoughts)
            for one, wrote, probability, thoughts in zip(
                asked, tokens, probabilities, latents, strict=True
            )
        ]

    def _staged(self, question: Question, written: int | None, stage: int | None) -> "_Staged":
        """A question as the model's input at a stage."""
        chain = self._gold_chain(question)
        if written is not None:
            stage = self._stage_for(written, question)
        stage = self.stage if stage is None else stage
        if stage is None and self.is_pair:
            stage = chain or 0
        if stage is None:
            raise UserError(
                f"{self.opened.path} has no training state: say how many chain-of-thought tokens "
                "are removed (0 writes the whole chain of thought)"
            )
        self.opened.token_format(stage)  # refuses a stage that nothing tells how to make
        prefixes = self._without_gold if chain is None else self._with_gold
        return _Staged(question, stage, prefixes(question, stage))

    def _gold_chain(self, question: Question) -> int | None:
        gold = question.gold
        return None if gold is None else self.token_format.plan.greatest_stage(gold)

    def chain_length(self, question: Question) -> int:
        """Tokens (or steps) of a question's whole chain of thought.

        Where the correct chain is not known, the typical number of tokens.

        Raises:
            UserError: how many of them are written can't be chosen for this question.
        """
        unit, most = self.token_format.plan.unit, self._gold_chain(question)
        if unit == "step" and self.token_format.plan.side == "right":
            raise UserError(
                "steps are removed from the right, where nobody can say beforehand how many tokens "
                "those have that are written: give the number of removed steps"
            )
        if most is None and unit == "token":
            most = self.reader.typical_cot_tokens
        if most is None:
            raise UserError(
                f"how many {unit}s the whole chain of thought of this question has is not "
                f"known: give the number of removed {unit}s instead of written ones"
            )
        return most

    def _stage_for(self, written: int, question: Question) -> int:
        """The stage at which so many tokens (or steps) are written."""
        most = self.chain_length(question)
        if written > most:
            unit = self.token_format.plan.unit
            raise UserError(f"the chain of thought has {most} {unit}s, {written} are too many")
        return most - written

    def _with_gold(self, question: Question, stage: int) -> Prefixes:
        """With a gold example, which determines lengths and position ids."""
        assert question.gold is not None
        zero, limits = np.zeros(1, dtype=np.int64), (self._budget, self._positions)
        staged = StagedExamples.of(self.token_format, question.gold, zero, stage, *limits)
        last = int(staged.lengths[0] + staged.shift.tokens[0])
        self._check_length(last, "the question with its answer")
        return staged.prefixes(zero, zero)

    def _without_gold(self, question: Question, stage: int) -> Prefixes:
        """Without a gold example only the prompt's length is known."""
        length, plan = len(question.prompt), self.token_format.plan
        typical = self.reader.typical_cot_tokens
        gone = min(stage, typical or 0)
        if plan.unit == "step":  # of whose tokens only all together are known
            about = self.opened.description
            typical = typical if about is not None and stage >= about.greatest_stage else None
            gone = typical or 0
        if typical is None and plan.keep_positions and stage:
            raise UserError(
                "how long this question's chain of thought would be is not known, and with it the "
                "positions that removed tokens left behind: ask an example with its chain, "
                "'input||cot #### answer'"
            )
        removed = np.array([gone])
        no_cot = np.zeros(1, dtype=np.int64)
        shift = PositionShift.of(plan, np.array([length]), no_cot, removed)
        ahead = int(shift.tokens[0])
        self._check_length(length + ahead + 1, "the question")
        budget = self._budget or DEFAULT_BUDGET
        if self._positions is not None:
            budget = min(budget, self._positions - length - ahead)
        separators = np.array([int(plan.answer_only)])  # no thought, so none to end it
        return Prefixes.from_rows([question.prompt], shift, separators, np.array([budget]))

    def _check_length(self, needed: int, what: str) -> None:
        if self._positions is not None and needed > self._positions:
            limit = f"the model has {self._positions}: ask a shorter one"
            raise UserError(f"{what} needs {needed} positions, but {limit}")

    @torch.no_grad()
    def _probabilities(
        self, asked: Sequence["_Staged"], tokens: Sequence[list[int]], shift: PositionShift
    ) -> list[list[float]]:
        """The probability of each written token, in one pass over all rows."""
        pairs = [(one.question.prompt, wrote) for one, wrote in zip(asked, tokens, strict=True)]
        rows = [torch.tensor([*prompt, *wrote[:-1]]) for prompt, wrote in pairs]
        ids = pad_sequence(rows, batch_first=True, padding_value=self.token_format.separator_id)
        width = ids.shape[1]
        states = [
            row * width + len(prompt) - 1 + at
            for row, (prompt, wrote) in enumerate(pairs)
            for at in range(len(wrote))
        ]
        targets = [token for wrote in tokens for token in wrote]
        positions = None
        if shift.tokens.any():
            positions = torch.from_numpy(shift.positions(width)).to(self.device)
            if self._positions is not None:  # padding may lie beyond the table
                positions = positions.clamp(max=self._positions - 1)
        losses, _ = self._scorer.score(
            ids.to(self.device),
            positions,
            torch.tensor(states, dtype=torch.long, device=self.device),
            torch.tensor(targets, dtype=torch.long, device=self.device),
        )
        chances = torch.exp(-losses.double())
        return [part.tolist() for part in torch.split(chances, [len(wrote) for wrote in tokens])]

    def _answer(
        self,
        asked: "_Staged",
        tokens: list[int],
        probabilities: list[float],
        seconds: float,
        wanted: int | None,
    ) -> Answer:
        question, reader = asked.question, self._answer_reader
        parts = reader.parts(tokens)
        section = parts[1] if len(parts) > 1 else []
        cot, finished = len(parts[0]), len(parts) > 2
        text = reader.text(section)
        start = reader.begin(tokens)
        begin = start + (reader.mark_length(section) or 0)
        end = start + len(section) + finished if text is not None else begin
        expected, explicit, hidden = self._gold(asked)
        correct = finished and text is not None and reader.equal(text, expected or "")
        texts = [self.token_text(token) for token in tokens]
        return Answer(
            question=question,
            checkpoint=self.label,
            step=self.step,
            stage=asked.stage,
            chain=whole_chain(texts[:cot], probabilities[:cot], explicit, hidden),
            hidden=None if explicit is None else len(hidden),
            answer=text,
            shown=None if text is None else self.reader.shown_answer(text),
            tokens=tuple(map(AnswerToken, texts[begin:end], probabilities[begin:end])),
            expected=None if expected is None else self.reader.shown_answer(expected),
            right=None if expected is None else correct,
            written=cot,
            decoded=len(tokens),
            seconds=seconds,
            finished=finished,
            notes=tuple(self._notes(asked, cot, wanted, finished)),
        )

    def _gold(self, asked: "_Staged") -> tuple[str | None, list[str] | None, list[int]]:
        """The gold answer, the explicit chain's tokens, and which of them are hidden."""
        gold = asked.question.gold
        if gold is None:
            return None, None, []
        ids = gold.example(0).tolist()
        begin, length = int(gold.prompt_lengths[0]), int(gold.cot_lengths[0])
        expected = self._answer_reader.text(ids[begin + length + 1 : -1])
        hidden = self.token_format.plan.hidden(gold, 0, asked.stage)
        return expected, [self.token_text(i) for i in ids[begin : begin + length]], hidden

    def token_text(self, token: int) -> str:
        """A token's text, without surrounding blanks unless it is only blanks; SEP by name."""
        if token in self.token_format.separators:
            return "SEP"
        text = str(self.opened.tokenizer.decode([token]))
        return text.strip() or text

    def _notes(
        self, asked: "_Staged", cot: int, wanted: int | None, finished: bool
    ) -> Iterator[str]:
        yield from self.opened.notes
        if asked.question.gold is None and asked.stage and self.token_format.plan.keep_positions:
            yield (
                "how long this question's chain of thought is was not known: positions are kept as "
                f"for a chain of {self.reader.typical_cot_tokens} tokens"
            )
        if not finished:
            yield "the model did not finish its answer within its token budget"
        if self.is_pair and asked.question.gold is None:
            yield "ICoT-KD's pair never writes a chain of thought: it has no stages"
        if wanted is None or asked.stage == self.stage:
            return
        if not self.chooses_budget:
            yield (
                "this run was not trained with mixed stages: it may have forgotten, or never "
                "learnt, to write another number of tokens than its stage's"
            )
        plan = self.token_format.plan
        if plan.side != "right" and not plan.keep_positions and asked.stage:
            yield (
                "without kept positions nothing tells this model how many tokens to write: "
                f"it was asked for {wanted} and chose {cot}"
            )


@dataclass(frozen=True)
class _Staged:
    """A question at a stage, as one row to be continued."""

    question: Question
    stage: int
    prefixes: Prefixes


def _join(rows: Sequence[Prefixes]) -> Prefixes:
    return Prefixes.from_rows(
        [row.ids[0].tolist() for row in rows],
        PositionShift(
            np.concatenate([row.shift.start for row in rows]),
            np.concatenate([row.shift.tokens for row in rows]),
        ),
        np.concatenate([row.separators for row in rows]),
        np.concatenate([row.budgets for row in rows]),
    )

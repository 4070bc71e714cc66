"""From the columns of a row to an example: the formats in which the field's data are published."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from icot_tui.config.sections import ColumnsConfig
from icot_tui.data.examples import ANSWER_MARK, INPUT_END, Example, flaw
from icot_tui.data.steps import MARK, StepRule
from icot_tui.errors import UserError

CHAINS = {
    "steps": "Coconut's JSON",
    "cot": "GSM8K-Aug's and CODI's columns",
    "chain_of_thought": "ProntoQA's own JSON",
}
"""Columns with a chain of thought, and the format that has them."""
CALCULATION = re.compile(r"<<.*?>>")


@dataclass(frozen=True)
class ColumnFormat:
    """Which columns hold an example.

    title     what it is called
    question, answer  names of columns
    chain     name of the column; the answer's own: all that stands before `####` there; None: the
              calculations `<<48/2=24>>` before `####`
    """

    title: str
    question: str
    chain: str | None
    answer: str

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return list(dict.fromkeys([self.question, self.chain or self.answer, self.answer]))

    def example(
        self, row: Mapping[str, Any], where: str, rule: StepRule | None = None
    ) -> tuple[Example, int]:
        """A row's example, and how many steps its chain has.

        With a rule, the chain has a mark after each step, if the row tells them apart: by a list,
        or by lines where the rule names nothing else.

        Raises:
            UserError: a column is missing, null, empty or no text; `where` names file and row.
        """
        question = _text(row, self.question, where)
        answer = _text(row, self.answer, where)
        steps: list[str]
        if self.chain in (None, self.answer):
            before, answer = _at_mark(answer, f"{where}, column {self.answer}")
            steps = before.splitlines() if self.chain else CALCULATION.findall(before)
        else:
            steps = _steps(row, self.chain or "", where)
        listed = isinstance(row.get(self.chain or ""), list)
        steps = [text for step in steps if (text := " ".join(step.split()))]
        chain = " ".join(steps)
        marked = chain
        if rule is not None and ((listed and steps) or (len(steps) > 1 and rule.end is None)):
            marked = f"{MARK} ".join(steps) + MARK
        steps = CALCULATION.findall(chain) or steps
        example = Example(" ".join(question.split()), marked, " ".join(answer.split()))
        spans = (self.question, example.input), (self.chain, example.cot)
        for column, text in (*spans, (self.answer, example.answer)):
            for mark in (INPUT_END, ANSWER_MARK):
                if mark in text:
                    raise UserError(
                        f"{where}, column {column}: '{mark}' stands in it, which separates the "
                        "parts of an example; take it out"
                    )
        if not example.answer:
            raise UserError(f"{where}, column {self.answer}: the answer is empty")
        return example, len(steps)


def recognize(row: Mapping[str, Any], columns: ColumnsConfig, where: str) -> ColumnFormat:
    """The format of the first row, or the columns that the config names.

    Raises:
        UserError: it is none that is known, or a column of the config isn't there; the columns
            that are there are named.
    """
    there = ", ".join(row) or "none"
    named = {key: name for key, name in columns if name is not None}
    for key, name in named.items():
        if name not in row:
            raise UserError(f"{where}: data.columns.{key} is '{name}'; the columns are {there}")
    question, answer = named.get("question", "question"), named.get("answer", "answer")
    chain = named.get("chain") or next((name for name in CHAINS if name in row), None)
    if question in row and answer in row:
        if chain is not None:
            title = "columns of data.columns" if named else CHAINS[chain]
            if "idx_to_symbol" in row:
                title += " (ProsQA)"
            return ColumnFormat(title, question, chain, answer)
        if ANSWER_MARK in str(row[answer]):
            return ColumnFormat("GSM8K with its calculations as steps", question, None, answer)
        raise UserError(
            f"{where}, column {answer}: '{ANSWER_MARK}' is missing, and no column has a chain of "
            f"thought (the columns are {there}); name one with data.columns.chain"
        )
    raise UserError(
        f"{where}: no known format has the columns {there}; name those of the question, the chain "
        "of thought and the answer with data.columns.question, .chain and .answer"
    )


def _steps(row: Mapping[str, Any], column: str, where: str) -> list[str]:
    """The steps of a chain: the lines of a text, or a list of texts."""
    value = row.get(column)
    if not isinstance(value, list):
        return _text(row, column, where, may_be_empty=True).splitlines()
    for number, step in enumerate(value, start=1):
        if not isinstance(step, str):
            kind = "null" if step is None else f"of type {type(step).__name__}"
            raise UserError(f"{where}, column {column}: step {number} is {kind}, not text")
    if problem := flaw(" ".join(value)):
        raise UserError(f"{where}, column {column}: {problem}")
    return value


def _text(row: Mapping[str, Any], column: str, where: str, may_be_empty: bool = False) -> str:
    where = f"{where}, column {column}"
    if column not in row:
        raise UserError(f"{where}: it is missing; the columns are {', '.join(row) or 'none'}")
    value = row[column]
    if value is None:
        raise UserError(f"{where}: it is null")
    if not isinstance(value, (str, int, float, Decimal)):
        nested = "nested " * isinstance(value, (dict, list))
        raise UserError(f"{where}: it is a {nested}{type(value).__name__}, not text")
    text = str(value)
    if problem := flaw(text):
        raise UserError(f"{where}: {problem}")
    if not may_be_empty and not text.strip():
        raise UserError(f"{where}: it is empty")
    return text


def _at_mark(text: str, where: str) -> tuple[str, str]:
    before, mark, answer = text.partition(ANSWER_MARK)
    if not mark:
        raise UserError(f"{where}: '{ANSWER_MARK}' is missing before the answer")
    if ANSWER_MARK in answer:
        raise UserError(f"{where}: '{ANSWER_MARK}' stands there more than once")
    return before, answer

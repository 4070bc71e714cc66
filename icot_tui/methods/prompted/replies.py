"""What models replied: kept on disk, so that no question is paid for twice, and read for answers.

An answer stands after the last `####`, in `\\boxed{}`, or after "answer is" or "answer:". Failing
these it is the last number of a text that was not cut off; a text that was cut off stopped in the
middle of its reasoning, and has none. Reading is lenient, but never guesses.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from icot_tui.data.cache import cache_folder
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.errors import UserError
from icot_tui.files import read_file, write_atomically
from icot_tui.methods.prompted.prompts import Conversation

_NUMBER = re.compile(r"(?<!\d)-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_SAID = re.compile(r"\\boxed\{|answer(?:\s+is|\s*:|\*\*:)", re.IGNORECASE)
LARGEST = 64 << 20
"""Bytes of a reply's file that is read at all."""
_ENDS = " \t*_$`\"'.{}()"
"""Around answers in words: blanks, emphasis, quotes, the sentence's end."""


@dataclass(frozen=True)
class Reply:
    """What a model wrote; `cut` where its budget of tokens ended it, not the model."""

    text: str
    prompt_tokens: int
    written_tokens: int
    cut: bool


class Respondent(Protocol):
    """A model that answers conversations.

    where     its device or address
    identity  all but the conversation that a reply depends on, in plain values
    """

    where: str
    identity: list[Any]

    def answer(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        """(place, reply) for each, as they come; a UserError for one that fails is raised last."""
        ...


class KeptReplies:
    """Replies on disk, a small file each, shared by all runs of a user."""

    def __init__(self, identity: list[Any]) -> None:
        self._identity = identity
        self._folder = cache_folder() / "replies"

    def get(self, conversation: Conversation) -> Reply | None:
        """The reply to a conversation; None if it was never asked, or its file is damaged."""
        try:
            return Reply(**json.loads(read_file(self._path(conversation), LARGEST)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def keep(self, conversation: Conversation, reply: Reply) -> None:
        """Keep a reply; a UserError says why it cannot be written."""
        path = self._path(conversation)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(asdict(reply)))
        except OSError as error:
            raise UserError(f"cannot keep a reply in {path.parent}: {error.strerror}", 1) from error

    def _path(self, conversation: Conversation) -> Path:
        asked = json.dumps([self._identity, conversation], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.json"


def read_answer(text: str, gold: str, cut: bool) -> str | None:
    """The answer in the model's text; None where there is none to be read.

    `gold`, the right answer, decides whether a number is looked for. `cut`: its budget of tokens
    stopped the model.
    """
    numeric = number(gold) is not None
    for marked in _marked(text):
        line = next((line for line in marked.splitlines() if line.strip()), "")
        if numeric and (found := _NUMBER.search(_joined(line))):
            return found[0]
        if not numeric and line.strip(_ENDS):
            return line.strip(_ENDS)
    if cut:
        return None
    if numeric:
        numbers = _NUMBER.findall(_joined(text))
        return numbers[-1] if numbers else None
    return text.strip(_ENDS) if text.strip(_ENDS) and "\n" not in text.strip() else None


def is_right(answer: str | None, gold: str) -> bool:
    """Is it the right answer? Numbers are compared as numbers, words without regard to case.

    Numbers written digit by digit (`8 0 4`) are compared digit by digit: their lowest digit stands
    first, and zeros on either side count.
    """
    if answer is None:
        return False
    right = number(gold)
    if right is None or _joined(gold) != gold:
        return _bare(answer) == _bare(gold)
    return right == number(answer)


def number(text: str) -> Decimal | None:
    """The number that a text is, with or without thousands' commas; None where it is none."""
    found = _NUMBER.fullmatch(_joined(text).strip(_ENDS))
    return None if found is None else Decimal(found[0].replace(",", ""))


def _marked(text: str) -> Iterator[str]:
    """What follows the last mark of each kind."""
    if ANSWER_MARK in text:
        yield text.rpartition(ANSWER_MARK)[2]
    said = list(_SAID.finditer(text))
    if said:
        yield text[said[-1].end() :]


def _joined(text: str) -> str:
    """`4 0 8` as `408`: digits one by one are a number."""
    return re.sub(r"(?<=\b\d) (?=\d\b)", "", text)


def _bare(text: str) -> str:
    return "".join(text.split()).casefold()

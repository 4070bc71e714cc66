"""What models replied, kept on disk under what they were asked: no question is paid for twice."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from icot_tui.data.cache import cache_folder
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError
from icot_tui.methods.prompted.prompts import Conversation


@dataclass(frozen=True)
class Reply:
    """What a model wrote; `cut` where its budget of tokens ended it, not the model."""

    text: str
    prompt_tokens: int
    written_tokens: int
    cut: bool


class Respondent(Protocol):
    """A model that answers conversations."""

    @property
    def where(self) -> str:
        """Where it is, in words."""
        ...

    @property
    def identity(self) -> list[Any]:
        """All but the conversation that a reply depends on, in plain values."""
        ...

    def answer(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        """(place, reply) for each, as they come; one that fails does not hold the others back.

        Raises:
            UserError: one failed, after the others.
        """
        ...


class KeptReplies:
    """Replies on disk, a small file each, shared by all runs of a user."""

    def __init__(self, identity: list[Any]) -> None:
        self._identity = identity
        self._folder = cache_folder() / "replies"

    def get(self, conversation: Conversation) -> Reply | None:
        """The reply to a conversation; None if it was never asked, or its file is damaged."""
        try:
            return Reply(**json.loads(self._path(conversation).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, conversation: Conversation, reply: Reply) -> None:
        """Keep a reply.

        Raises:
            UserError: it can't be written.
        """
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

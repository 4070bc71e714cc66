"""Asks an OpenAI-compatible endpoint: OpenAI's own, or vLLM, llama.cpp, Ollama and the like."""

import os
import re
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig
from icot_tui.methods.prompted.prompts import Conversation
from icot_tui.methods.prompted.replies import Reply

if TYPE_CHECKING:
    from openai import APIError

MISSING = "asking an endpoint needs the openai package: pip install 'icot-tui[prompted]'"
LONGEST_COMPLAINT = 300
"""Characters of an endpoint's message that are shown."""


class Endpoint:
    """A model behind an endpoint; the key is read from the environment and kept nowhere.

    Raises:
        UserError: the openai package or the key is missing.
    """

    def __init__(self, config: PromptedConfig) -> None:
        assert config.endpoint is not None
        try:
            from openai import OpenAI
        except ImportError as error:
            raise UserError(MISSING, 1) from error
        self._config = config
        self.where = config.endpoint
        self._client = OpenAI(
            base_url=config.endpoint,
            api_key=_key(config),
            max_retries=config.retries,
            timeout=config.timeout_seconds,
        )
        limit = {"max_tokens": config.max_new_tokens}
        if "max_completion_tokens" in config.options:  # some models know it by this name only
            limit = {}
        self._options: dict[str, Any] = limit | config.options
        self.identity: list[Any] = [self.where, config.model, self._options]

    def answer(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        """See `Respondent`; all requests are sent at once, and leaving early waits for none."""
        found: SimpleQueue[tuple[int, Reply | Exception]] = SimpleQueue()

        def ask(place: int, conversation: Conversation) -> None:
            try:
                found.put((place, self._ask(conversation)))
            except Exception as error:
                found.put((place, error))

        for place, conversation in enumerate(conversations):
            Thread(target=ask, args=(place, conversation), daemon=True).start()
        failure: Exception | None = None
        for _ in conversations:
            place, reply = found.get()
            if isinstance(reply, Reply):
                yield place, reply
            else:
                failure = reply
        if failure is not None:
            raise failure

    def _ask(self, conversation: Conversation) -> Reply:
        from openai import APIError

        try:
            response = self._client.chat.completions.create(
                model=self._config.model, messages=cast(Any, conversation), extra_body=self._options
            )
        except APIError as error:
            raise UserError(self._complaint(error), 1) from error
        except ValueError as error:  # a body that is not the JSON that its header promises
            raise UserError(self._nonsense(), 1) from error
        try:
            choice, usage = response.choices[0], response.usage
            return Reply(
                str(choice.message.content or ""),
                0 if usage is None else int(usage.prompt_tokens),
                0 if usage is None else int(usage.completion_tokens),
                choice.finish_reason == "length",
            )
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise UserError(self._nonsense(), 1) from error

    def _nonsense(self) -> str:
        return f"{self.where} does not answer as OpenAI's API does"

    def _complaint(self, error: "APIError") -> str:
        import openai

        match error:
            case openai.APITimeoutError():
                limit = f"prompted.timeout_seconds ({self._config.timeout_seconds:g})"
                return f"{self.where} gave no answer in time: raise {limit}"
            case openai.APIConnectionError():
                cause = self._quoted(error.__cause__ or error)
                return f"{self.where} cannot be reached ({cause}): check prompted.endpoint"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                name = self._config.key_variable
                return f"{self.where} refuses the key" + (f" in ${name}" if name else "")
            case openai.APIStatusError():
                said = self._quoted(error.message)
                return f"{self.where} refuses (status {error.status_code}): {said}"
        return f"{self._nonsense()}: {self._quoted(error.message)}"

    def _quoted(self, words: object) -> str:
        """An endpoint's message on one line, without the key, which some repeat in it."""
        line = " ".join(str(words).split())
        if self._config.key_variable:
            line = line.replace(self._client.api_key, "(the key)")
        return line[:LONGEST_COMPLAINT]


def sent_openly(config: PromptedConfig) -> str | None:
    """A sentence if the key goes over a network that others can read; nothing on this machine."""
    address = urlsplit(config.endpoint or "")
    here = address.hostname in ("localhost", "::1") or (address.hostname or "").startswith("127.")
    if address.scheme != "http" or here or not config.key_variable:
        return None
    return (
        f"the key in ${config.key_variable} is sent to {config.endpoint} unencrypted, where others "
        'can read it: use https, or prompted.key_variable = "" where it wants none'
    )


def _key(config: PromptedConfig) -> str:
    """The key, without the blanks around it; a UserError if there is none.

    A key that no header can carry is refused, too: openai's own error would show it.
    """
    if not config.key_variable:
        return "none"
    key = os.environ.get(config.key_variable, "").strip()
    if not key:
        raise UserError(
            f"{config.endpoint} needs a key: set the environment variable {config.key_variable}, "
            'or prompted.key_variable = "" where it wants none'
        )
    if not re.fullmatch("[!-~]+", key):
        raise UserError(
            f"${config.key_variable} holds no key: it has blanks, line ends or letters beyond ASCII"
        )
    return key

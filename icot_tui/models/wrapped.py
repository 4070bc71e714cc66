"""A language model that reads its question in another way, and can be asked like any other.

B rows, C columns, H width, V words.
"""

import inspect
from collections.abc import Callable
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor, nn

from icot_tui.models.positions import position_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Arguments = dict[str, Any]
"""attention_mask, past_key_values, use_cache and, where the model takes them, position_ids and
logits_to_keep: as of a `forward` of transformers; and what only the reading takes."""

OFTEN = {"attention_mask", "use_cache", "position_ids", "logits_to_keep"}
"""Arguments that most models take."""
CACHE, STATE, NEW_CACHE = "past_key_values", "cache_params", "cache"
"""What a model calls its cache: for attention, for states, and for both since transformers 5.24."""


def accepted(lm: nn.Module) -> frozenset[str]:
    """The names of the arguments that a model's own `forward` takes."""
    return _parameters(type(unadapted(lm)).forward)


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def taken(lm: nn.Module, arguments: Arguments) -> Arguments:
    """Some arguments without those of `OFTEN` that the model lacks, as recurrent ones do."""
    lacking = OFTEN - accepted(lm)
    return {name: value for name, value in arguments.items() if name not in lacking}


def cache_name(lm: nn.Module) -> str:
    """What a model calls its cache."""
    arguments = accepted(lm)
    return next((name for name in (CACHE, STATE, NEW_CACHE) if name in arguments), CACHE)


def cache_of(out: Any) -> Any:
    """The cache in a model's output."""
    return next(out[name] for name in (NEW_CACHE, CACHE, STATE) if name in out)


def unadapted(lm: nn.Module) -> "PreTrainedModel":
    """The transformers model itself: PEFT puts its adapters into it and wraps it."""
    return lm.get_base_model() if hasattr(lm, "get_base_model") else lm  # type: ignore[operator]


class Reading(Protocol):
    """How the rows are read.

    extra_positions  position ids that a row takes beside those of its tokens
    """

    extra_positions: int

    def first_pass(
        self, decoder: Callable[..., Any], ids: Tensor, separators: Tensor, arguments: Arguments
    ) -> Any:
        """The decoder's output for rows [B, C] that hold their questions whole.

        Args:
            decoder: the model, or what is below its head.
            ids: padded on the left, masked, or on the right.
            separators: [B] where the first separator of each row stands.
            arguments: all but the ids.
        """

    def later_pass(self, arguments: Arguments, tokens: int) -> Arguments:
        """The arguments for so many tokens that follow rows which are in the cache."""


@runtime_checkable
class StagedReading(Reading, Protocol):
    """One that depends on how many tokens (or steps) are removed.

    stage  at which the model is asked
    """

    stage: int


class WrappedLM(nn.Module):
    """A language model with another `reading`, and `parts` that are trained with it."""

    def __init__(
        self,
        lm: "PreTrainedModel",
        reading: Reading,
        separator_id: int,
        parts: dict[str, nn.Module],
    ) -> None:
        super().__init__()
        self.lm = lm
        self.reading = reading
        self.parts = nn.ModuleDict(parts)
        self.separator_id = separator_id

    @property
    def config(self) -> Any:
        """The model's, with the position ids that are left for tokens."""
        config, extra = self.lm.config, self.reading.extra_positions
        count = position_count(config)
        if extra and count is not None:
            config = copy(config)
            config.max_position_embeddings = count - extra
        return config

    @property
    def base_model(self) -> Callable[..., Any]:
        """The decoder below the head; it reads in the same way."""
        return lambda input_ids, **rest: self._first_pass(
            self.lm.base_model, input_ids, taken(self.lm, rest)
        )

    def get_input_embeddings(self) -> nn.Module:
        words: nn.Module = self.lm.get_input_embeddings()
        return words

    def get_output_embeddings(self) -> nn.Module:
        head: nn.Module = self.lm.get_output_embeddings()
        return head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
        logits_to_keep: int = 0,
        **told: Any,
    ) -> Any:
        """As the model's own `forward`; without a cache the rows hold their questions whole.

        `told` is what only the reading takes.
        """
        arguments = taken(
            self.lm,
            {
                "attention_mask": attention_mask,
                "use_cache": use_cache,
                "position_ids": position_ids,
                "logits_to_keep": logits_to_keep,
            },
        )
        if past_key_values is not None:
            arguments[CACHE] = past_key_values
            later = self.reading.later_pass(arguments, input_ids.shape[1])
            cache = {cache_name(self.lm): later.pop(CACHE)}
            return self.lm(input_ids, **later, **cache)
        return self._first_pass(self.lm, input_ids, arguments | told)

    def _first_pass(self, decoder: nn.Module, ids: Tensor, arguments: Arguments) -> Any:
        separators = self.separators(ids, arguments.get("attention_mask"))
        return self.reading.first_pass(decoder, ids, separators, arguments)

    def separators(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """[B] where the first separator of each row [B, C] stands; padding may look like one."""
        found = ids == self.separator_id
        if mask is not None:
            found = found & mask.bool()
        return found.int().argmax(dim=1)


def reads_by_stage(lm: Any) -> bool:
    """Does a model read otherwise at another stage?"""
    return isinstance(getattr(lm, "reading", None), StagedReading)


def ask_at_stage(lm: Any, stage: int) -> None:
    """Tell a model, before it is asked, how many tokens (or steps) are removed."""
    if reads_by_stage(lm):
        lm.reading.stage = stage

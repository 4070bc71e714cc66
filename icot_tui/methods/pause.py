"""Pause tokens (arXiv 2310.02226; filler tokens in arXiv 2404.15758) in place of the removed chain.

k learned embeddings follow the first separator: ` {x} SEP f_1 .. f_k {z} SEP #### {y} SEP`. They
are only read, never supervised: the model predicts from f_k what it would otherwise predict from
SEP. They are k rows of a table of their own, no words that it could write. B rows, C columns.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from icot_tui.config import Phase, RunConfig
from icot_tui.config.sections import Section, ThoughtCount
from icot_tui.errors import UserError
from icot_tui.formatting import count
from icot_tui.methods.base import Method
from icot_tui.methods.stepwise import removal_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training
    from icot_tui.models.wrapped import Arguments, WrappedLM

PAUSES = "pause/embeddings.safetensors"


class PauseConfig(Section):
    """Pause tokens in place of the removed chain of thought."""

    tokens: ThoughtCount = 8
    """k: pause tokens before the answer."""


class PauseReading:
    """Inserts k pause tokens after the first separator; see `Reading`."""

    def __init__(self, words: "nn.Module", pauses: "nn.Embedding") -> None:
        self._words = words
        self._pauses = pauses
        self.extra_positions = pauses.num_embeddings

    def first_pass(
        self, decoder: Any, ids: "Tensor", separators: "Tensor", arguments: "Arguments"
    ) -> Any:
        """See `Reading`; the output has the state of f_k in the place of SEP's."""
        import torch

        more, first = self.extra_positions, separators[:, None]
        columns = torch.arange(ids.shape[1] + more, device=ids.device)
        behind = columns - first  # [B, C + k]: 1 .. k are the pause tokens
        source = torch.where(behind > more, columns - more, columns.minimum(first))
        embedded = self._words(ids.gather(1, source))
        pauses = self._pauses((behind - 1).clamp(0, more - 1)).to(embedded.dtype)
        is_pause = (behind >= 1) & (behind <= more)
        positions = arguments.get("position_ids")
        if positions is not None:
            positions = positions.gather(1, source) + behind.clamp(0, more)
        arguments = self._with_mask(arguments) | {"position_ids": positions}
        out = decoder(inputs_embeds=torch.where(is_pause[..., None], pauses, embedded), **arguments)
        if arguments.get("logits_to_keep"):  # the last column is not before the separator
            return out
        columns = columns[: ids.shape[1]]
        kept = (columns + more * (columns >= first))[..., None]  # [B, C, 1]
        name = next(iter(out))
        out[name] = out[name].gather(1, kept.expand(-1, -1, out[name].shape[-1]))
        return out

    def later_pass(self, arguments: "Arguments", tokens: int) -> "Arguments":
        positions = arguments.get("position_ids")
        moved = None if positions is None else positions + self.extra_positions
        return self._with_mask(arguments) | {"position_ids": moved}

    def _with_mask(self, arguments: "Arguments") -> "Arguments":
        """Pause tokens are seen; masked padding stands on the left."""
        from torch.nn.functional import pad

        mask = arguments.get("attention_mask")
        if mask is None:
            return arguments
        return arguments | {"attention_mask": pad(mask, (0, self.extra_positions), value=1)}


def pause_lm(lm: "PreTrainedModel", tokens: int, separator_id: int) -> "WrappedLM":
    """A language model with new pause tokens, drawn like its words."""
    from torch import nn

    from icot_tui.models.wrapped import WrappedLM

    words, std = lm.get_input_embeddings(), getattr(lm.config, "initializer_range", 0.02)
    pauses = nn.Embedding(tokens, words.weight.shape[1], dtype=lm.dtype)
    nn.init.normal_(pauses.weight, std=std)
    return WrappedLM(lm, PauseReading(words, pauses), separator_id, {"pauses": pauses})


def _open(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.checkpoint import load_tensors
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.models.loading import load_pretrained

    pauses = load_tensors(folder / PAUSES).get("parts.pauses.weight")
    if pauses is None:
        raise UserError(f"{folder / PAUSES} holds no pause tokens: it is damaged")
    lm = pause_lm(load_pretrained(str(folder)), len(pauses), separators(tokenizer).question)
    ExtendedWeights(lm, PAUSES).read_others(folder)
    return cast("PreTrainedModel", lm)  # it can be asked like one


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    import torch

    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.engine.loop.training import language_model_training, new_model

    config, tokens = phase.config, phase.config.section(PauseConfig).tokens
    plain = new_model(context, phase, more_positions=tokens)
    torch.manual_seed(config.seed)
    lm = cast(
        "PreTrainedModel", pause_lm(plain, tokens, separators(context.data.tokenizer).question)
    )
    return language_model_training(
        context,
        phase,
        *removal_of(context, config),
        lm,
        lambda trained: ExtendedWeights(trained, PAUSES),
    )


def _in_place(config: RunConfig, stage: int, greatest: int) -> str:
    return count(config.section(PauseConfig).tokens, "pause token")


_FILLERS = "Learned pause tokens, fillers without a meaning of their own, stand before"
_TEXT = f"{_FILLERS} the answer."
METHOD = Method(
    name="pause",
    title="pause tokens",
    description="pause tokens in place of the chain of thought (arXiv 2310.02226)",
    section=PauseConfig,
    excludes=("train.compile", "model.gradient_checkpointing", "model.lora.rank"),
    model="A language model with pause tokens",
    plain_model=False,
    promise="you will read what pause tokens are",
    texts=(f"{_TEXT} No step is ever written.", _TEXT, "pause tokens, no steps"),
    in_place=_in_place,
    training=_training,
    marker=PAUSES,
    open=_open,
)
STEPWISE = replace(
    METHOD,
    name="pause_stepwise",
    title="pause tokens, ICoT-SI",
    description="pause tokens before a chain of thought that is removed step by step",
    removes_tokens=True,
    promise="you will see the chain of thought shrink behind its pause tokens",
    texts=(f"{_FILLERS} what is left of the chain.", "pause tokens before the chain"),
)

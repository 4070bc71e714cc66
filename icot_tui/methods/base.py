"""A method: what it says of itself, and how its runs are carried out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.config import MethodDescription, Phase, RunConfig

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from icot_tui.data.load import Data
    from icot_tui.engine.journal.events import Event, RunEnded
    from icot_tui.engine.loop.commands import CommandQueue
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training
    from icot_tui.engine.run_folder import RunFolder

    Build = Callable[[RunContext, Phase, RunState], Training]
    Run = Callable[
        [RunFolder, RunConfig, CommandQueue, torch.device, Callable[[Event], None] | None],
        RunEnded,
    ]


def _nothing_to_train(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    raise AssertionError("this method trains nothing")


@dataclass(frozen=True, kw_only=True)
class Method(MethodDescription):
    """A method; modules of methods import torch, numpy and the engine only within functions.

    Attributes:
        training: builds one of the trainings, from the state in which it begins.
        prepare: changes the data before anything is trained.
        run: carries out a whole run in place of the trainings; for models that are only asked.
        marker: the file by which a checkpoint is known to be more than a language model.
        open: the model of such a checkpoint, which can be asked like a language model.
        answer_only: such a model never writes a chain of thought, nor a separator after it.
    """

    training: "Build" = _nothing_to_train
    prepare: "Callable[[RunConfig, Data], Data]" = lambda config, data: data
    run: "Run | None" = None
    marker: str | None = None
    open: "Callable[[Path, PreTrainedTokenizerBase], PreTrainedModel] | None" = None
    answer_only: bool = False

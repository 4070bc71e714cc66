"""A checkpoint that is open: its model, and all that is needed to ask it as it was trained."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icot_tui.config import DataConfig, RunConfig
from icot_tui.curriculum.removal import RemovalPlan, Side, TokenFormat
from icot_tui.data.tokenizing import separator_id
from icot_tui.engine.checkpoints.description import CheckpointDescription
from icot_tui.errors import UserError
from icot_tui.units import Unit

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class GivenRemoval:
    """How tokens were removed, said by the user of a checkpoint that doesn't say it itself."""

    side: Side | None = None
    keep_positions: bool | None = None

    def plan(self) -> RemovalPlan | None:
        """None unless both are given."""
        if self.side is None or self.keep_positions is None:
            return None
        return RemovalPlan(self.side, self.keep_positions)


NOTHING_GIVEN = GivenRemoval()


@dataclass(frozen=True, kw_only=True)
class OpenedCheckpoint:
    """A checkpoint ready to be asked: any `save_pretrained` folder, or one of a run.

    Attributes:
        path: its folder.
        model: in evaluation mode, in float32, on the CPU.
        tokenizer: the folder's.
        description: what the folder says of itself.
        config: of its run; paths in it hold only while the checkpoint lies in its run's folder.
        state: the training state, where a run wrote it.
        plan: how tokens were removed; None where nothing tells.
        run: the folder of the run that it lies in.
        notes: a sentence on each thing to know of it, such as a newer checkpoint that is damaged.
        answer_only: the model never writes a chain of thought: ` {x} SEP #### {y} SEP`.
    """

    path: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    description: CheckpointDescription | None = None
    config: RunConfig | None = None
    state: dict[str, Any] | None = None
    plan: RemovalPlan | None = None
    run: Path | None = None
    notes: tuple[str, ...] = ()
    answer_only: bool = False

    @property
    def unit(self) -> Unit:
        """What its stage counts."""
        return "token" if self.plan is None else self.plan.unit

    @property
    def stage(self) -> int | None:
        """Tokens (or steps) removed when it was written; None where no run wrote it."""
        if self.description is not None:
            return self.description.stage
        return None if self.state is None else int(self.state["curriculum"]["stage"])

    @property
    def step(self) -> int | None:
        """Optimizer steps when it was written; None where no run wrote it."""
        if self.description is not None:
            return self.description.step
        return None if self.state is None else int(self.state["run"]["step"])

    @property
    def data(self) -> DataConfig | None:
        """Where its run's examples come from; None where that can't be known outside the run."""
        data = None if self.config is None else self.config.data
        if data is None or data.task is not None:
            return data
        files = (data.train or "", data.validation or "", data.test or "/")
        known = (
            os.path.isabs(file) or file.startswith("hub:") or file.endswith("%") for file in files
        )
        return data if self.run is not None and all(known) else None

    def token_format(self, stage: int = 0) -> TokenFormat:
        """How the model reads and writes examples.

        Args:
            stage: up to which it will be asked; at 0, when nothing is removed, it does not matter
                how.

        Raises:
            UserError: tokens are removed, and nothing tells how.
        """
        plan = self.plan
        if plan is None and stage > 0:
            raise UserError(
                f"{self.path} does not say how tokens were removed, and lies in no run's folder: "
                "say it with --side left or right, and --keep-positions or --close-positions"
            )
        separator = separator_id(self.tokenizer)
        return TokenFormat(self.tokenizer, separator, plan or RemovalPlan())

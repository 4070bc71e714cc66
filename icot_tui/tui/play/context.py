"""What the handlers of the playground work with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual.notifications import SeverityLevel
from textual.screen import ModalScreen

from icot_tui.analysis.checkpoints import CheckpointEntry
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.play.answers_pane import AnswersPane
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.checkpoints_pane import CheckpointList
from icot_tui.tui.play.hidden_pane import HiddenPane
from icot_tui.tui.play.question_field import QuestionField
from icot_tui.tui.play.worker import Worker


@dataclass(frozen=True)
class PlayContext:
    """The parts of the playground.

    Attributes:
        screen: Textual's side of it.
        field: the question is written here.
        list: of checkpoints.
        answers: the pane of answers.
        hidden: the pane of hidden positions.
        backend: asks and looks inside, on the worker's thread.
        worker: runs the backend's work.
    """

    screen: ModalScreen[Any]
    field: QuestionField
    list: CheckpointList
    answers: AnswersPane
    hidden: HiddenPane
    backend: Backend
    worker: Worker

    def notify(
        self, text: str, severity: SeverityLevel = "information", seconds: float = 6.0
    ) -> None:
        """Show a short message."""
        notify_user(self.screen, text, severity, seconds)

    @property
    def looking(self) -> bool:
        """Is the pane of hidden positions open?"""
        return self.screen.has_class("-looking")

    def chosen(self) -> Sequence[CheckpointEntry]:
        """The checkpoints that are asked; the user is told if there is none."""
        chosen = self.list.chosen
        if not chosen:
            self.notify("No checkpoint is chosen: Tab to the list, Space chooses.", "warning")
        return chosen

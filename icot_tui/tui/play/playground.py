"""What the parts of the playground's screen share."""

from textual.screen import ModalScreen
from textual.widgets import Static

from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.play.answers_pane import AnswersPane
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.checkpoints_pane import CheckpointList
from icot_tui.tui.play.hidden_pane import HiddenPane
from icot_tui.tui.play.question_field import QuestionField
from icot_tui.tui.play.worker import Worker
from icot_tui.tui.screens.dialog import ClosesOnce


class Playground(ClosesOnce, ModalScreen[None]):
    """The panes, the checkpoints, and the thread that works for them."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.header = Static("", markup=False, classes="header")
        self.field = QuestionField()
        self.list = CheckpointList()
        self.answers = AnswersPane()
        self.hidden = HiddenPane()
        self.backend = backend
        self.worker = Worker(backend.load, self.call_later, self.note_work)

    def warn(self, text: str, seconds: float = 6.0) -> None:
        """Say that something can't be done."""
        notify_user(self, text, "warning", seconds)

    def note_work(self, what: str) -> None:
        """The worker does something else now; nothing if `what` is empty."""
        raise NotImplementedError

    def update_header(self) -> None:
        """Say how questions are asked, and what is being done."""
        raise NotImplementedError

    def action_perform(self, name: str) -> None:
        """Run an action of the table: what every key is bound to."""
        raise NotImplementedError

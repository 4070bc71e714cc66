"""What a resume undoes: the one way back for everything that is folded from a journal."""

from collections.abc import Callable, Iterable
from posixpath import basename
from typing import Generic, TypeVar

from icot_tui.engine.journal.events import CheckpointSaved, Event, RunResumed, RunStarted

Mark = TypeVar("Mark")


class Rewind(Generic[Mark]):
    """Takes a fold of a run's events back to where it stood at a checkpoint.

    A resume undoes all that came after its checkpoint, and a run that begins anew undoes all. A
    kill between a checkpoint and its line leaves no line: then what came after its step is undone.
    Marks are made at checkpoints only; any other event costs nothing.

    `mark` makes a mark of where the fold stands, at once and before any event; `restore` takes the
    fold back to one; `at_step` gives that of where it stood when so many steps were done.
    """

    def __init__(
        self,
        mark: Callable[[], Mark],
        restore: Callable[[Mark], None],
        at_step: Callable[[int], Mark],
    ) -> None:
        self._mark, self._restore, self._at_step = mark, restore, at_step
        self._start = mark()
        # (step, mark) of the checkpoints that stand, by name, oldest first
        self.marks: dict[str, tuple[int, Mark]] = {}

    @property
    def newest(self) -> Mark:
        """The mark of the newest checkpoint that stands, or of the start."""
        return next(reversed(self.marks.values()))[1] if self.marks else self._start

    def at(self, checkpoint: str) -> Mark | None:
        """The mark of a checkpoint; None where its line was lost or undone."""
        return self.marks.get(basename(checkpoint), (0, None))[1]

    def before(self, event: Event) -> None:
        """Undo what an event undoes; call this before it is taken in."""
        if isinstance(event, RunStarted):
            self.marks.clear()
            self._restore(self._start)
        elif isinstance(event, RunResumed):
            name = basename(event.checkpoint)
            if name in self.marks:
                while next(reversed(self.marks)) != name:
                    self.marks.popitem()
                self._restore(self.newest)
            else:
                self.marks = {k: at for k, at in self.marks.items() if at[0] <= event.step}
                self._restore(self._at_step(event.step))

    def after(self, event: Event) -> None:
        """Mark a checkpoint; call this after an event was taken in."""
        if isinstance(event, CheckpointSaved | RunResumed):
            path = event.path if isinstance(event, CheckpointSaved) else event.checkpoint
            self.marks.pop(basename(path), None)  # the newest stands last
            self.marks[basename(path)] = event.step, self._mark()


def effective(events: Iterable[tuple[float, Event]]) -> list[tuple[float, Event]]:
    """The (time, event) pairs that led to the present, without those that a resume undid."""
    kept: list[tuple[float, Event]] = []

    def restore(length: int) -> None:
        del kept[length:]

    def at_step(step: int) -> int:
        return sum(event.step <= step for _, event in kept)

    rewind = Rewind(lambda: len(kept), restore, at_step)
    for time, event in events:
        rewind.before(event)
        kept.append((time, event))
        rewind.after(event)
    return kept

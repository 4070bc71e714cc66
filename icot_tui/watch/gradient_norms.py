"""Gradient norms of a run's steps, which the history leaves out, read when they are asked for."""

import time

from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.metrics import StepArrays
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.bulk_reader import Wanted, read
from icot_tui.watch.series import StepSeries, single


class GradientNorms:
    """Reads a journal once more, a part at each look.

    Attributes:
        series: the norm before clipping of each step, NaN where it was not finite. After a resume
            it still holds what was undone, beyond the run's present step.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.series = StepSeries()
        self._journal = JournalReader(folder.journal)

    @property
    def share_read(self) -> float:
        """Of the journal, from 0 to 1."""
        journal = self._journal  # a torn last line will never be read
        return 1.0 if journal.done else journal.offset / max(journal.size, 1)

    def look(self, seconds: float) -> None:
        """Take in what is new, for about this long."""
        until = time.monotonic() + seconds
        if not self._journal.look():  # another file
            self.series, self._journal = StepSeries(), JournalReader(self._journal.path)
            self._journal.look()
        for part in self._journal.parts():
            for piece in read(part, Wanted.ALL):
                if isinstance(piece, StepArrays):
                    self.series.extend(piece.first, single(piece.gradient_norms))
            if time.monotonic() >= until:
                break

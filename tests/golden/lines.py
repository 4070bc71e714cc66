"""The multiplication lines that the golden values were computed on, from our own generator."""

import numpy as np

from icot_tui.data.tasks import make_task

PROBLEMS = (
    "2365*4347", "5196*7446", "9376*7198", "4303*5643",
    "7330*5658", "6063*7834", "4874*6192", "1692*9150",
)  # fmt: skip


def multiplication_lines() -> bytes:
    """Eight lines of 4x4 digits."""
    task = make_task("multiplication", {"digits": "4x4"})
    return task.lines(np.array([task.question(problem) for problem in PROBLEMS]))

"""Generated tasks, by name."""

import difflib
from collections.abc import Callable, Mapping

from icot_tui.data.tasks.addition import Addition
from icot_tui.data.tasks.base import Problems, Task
from icot_tui.data.tasks.graph import Graph
from icot_tui.data.tasks.hops import Hops
from icot_tui.data.tasks.modular import Modular
from icot_tui.data.tasks.multiplication import Multiplication
from icot_tui.data.tasks.parity import Parity
from icot_tui.errors import UserError

TASKS: dict[str, Callable[[Mapping[str, object]], Task]] = {
    task.name: task for task in (Multiplication, Addition, Modular, Parity, Hops, Graph)
}


def make_task(name: str, options: Mapping[str, object]) -> Task:
    """A task by its name and its own options; a UserError says which of them is wrong."""
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TASKS)}"
        raise UserError(f"data.task '{name}' is not known: {hint}")
    return TASKS[name](options)


__all__ = ["TASKS", "Problems", "Task", "make_task"]

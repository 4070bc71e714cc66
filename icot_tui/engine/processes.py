"""What several processes have to agree on; with one process nothing here costs anything."""

import os
from collections.abc import Callable
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from icot_tui.errors import UserError

T = TypeVar("T")
OTHERS = {"DEEPSPEED": "DeepSpeed", "MEGATRON_LM": "Megatron-LM"}
"""Libraries that Accelerate's launcher may ask for, and their names."""


def refuse_other_libraries() -> None:
    """To be called before Accelerate reads what its launcher asks for.

    Raises:
        UserError: that is something other than DDP or FSDP.
    """
    for key, name in OTHERS.items():
        if os.environ.get(f"ACCELERATE_USE_{key}", "false").lower() == "true":
            raise UserError(
                f"the launcher asks for {name}, but icot-tui trains with DDP or FSDP: choose one "
                "of them in 'accelerate config'"
            )


class Processes:
    """Accelerate's collectives for plain Python objects."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.count: int = accelerator.num_processes
        self.rank: int = accelerator.process_index
        self.model_is_sharded: bool = accelerator.distributed_type == "FSDP"

    @property
    def is_main(self) -> bool:
        """Is this the process that writes and prints?"""
        return self.rank == 0

    def share(self, value: T) -> T:
        """The first process's value, on every process."""
        if self.count == 1:
            return value
        box = [value]
        broadcast_object_list(box)
        return box[0]

    def from_main(self, make: Callable[[], T]) -> T:
        """What the first process makes, on every process."""
        made = self.share(make() if self.is_main else None)
        assert made is not None
        return made

    def gather(self, value: T) -> list[T]:
        """Every process's value, on every process."""
        if self.count == 1:
            return [value]
        gathered: list[T] = gather_object([value])
        return gathered

    def first(self, value: T | None) -> T | None:
        """The first value that is not None among all processes, on every process."""
        return next((item for item in self.gather(value) if item is not None), None)

"""Models that are asked and never trained: the papers' GPT-3.5 and GPT-4 rows."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from icot_tui.config import RunConfig
from icot_tui.errors import UserError
from icot_tui.methods.base import Method
from icot_tui.methods.prompted.config import PromptedConfig

if TYPE_CHECKING:
    import torch

    from icot_tui.engine.journal.events import Event, RunEnded
    from icot_tui.engine.loop.commands import CommandQueue
    from icot_tui.engine.run_folder import RunFolder


def _run(
    folder: "RunFolder",
    config: RunConfig,
    commands: "CommandQueue",
    device: "torch.device",
    listen: "Callable[[Event], None] | None",
) -> "RunEnded":
    from icot_tui.methods.prompted.asking import run_prompted

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("a prompted run asks from one process: start it without a launcher")
    return run_prompted(folder, config, commands, device, listen)


def _facts(config: RunConfig) -> Iterator[tuple[str, str]]:
    asked = config.section(PromptedConfig)
    yield "model", asked.model + (f" at {asked.endpoint}" if asked.endpoint else "")
    shown = "with" if asked.cot else "without"
    yield "method", f"prompted, {asked.shots} examples {shown} chain of thought"


METHOD = Method(
    name="prompted",
    title="prompted",
    description="a model that is prompted with worked examples, and trained on nothing",
    section=PromptedConfig,
    trains=False,
    facts=_facts,
    writes_cot=True,
    uses_curriculum=False,
    run=_run,
)

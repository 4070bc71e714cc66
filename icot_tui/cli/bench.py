"""`icot-tui bench`: how fast a config trains on this machine."""

import resource
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from icot_tui.cli.console import print_json
from icot_tui.cli.options import Config, Json, Overrides
from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.engine.journal.events import Evaluated, Event, StepsTrained
from icot_tui.engine.loop.commands import CommandQueue, Evaluate, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.formatting import duration, plain
from icot_tui.output import say

app = typer.Typer()

WARMUP_STEPS = 10
"""Steps before the clock starts: first allocations, first kernels."""

EXAMPLES = """Examples: icot-tui bench;  icot-tui bench mult-9x9-gpt2 --steps 100 --json;
icot-tui bench demo --set curriculum.first_stage=1000 (everything removed)"""


@dataclass(kw_only=True)
class BenchResult:
    """What was measured; `seconds` of training exclude evaluations."""

    config: str
    device: str = ""
    parameters: int = 0
    batch_size: int = 0
    stage: int = 0
    steps: int = 0
    seconds: float = 0.0
    supervised_tokens: int = 0
    evaluated_examples: int = 0
    evaluation_seconds: float = 0.0
    peak_memory_bytes: int = 0

    def speeds(self) -> dict[str, float | None]:
        """Steps, examples, supervised tokens and evaluated examples per second."""
        trained, evaluated = self.seconds or None, self.evaluation_seconds or None
        return {
            "steps_per_second": trained and self.steps / trained,
            "examples_per_second": trained and self.steps * self.batch_size / trained,
            "supervised_tokens_per_second": trained and self.supervised_tokens / trained,
            "evaluated_examples_per_second": evaluated and self.evaluated_examples / evaluated,
        }


@app.command(epilog=EXAMPLES)
def bench(
    config: Config = "demo",
    overrides: Overrides = None,
    steps: Annotated[int, Option(min=1, help="Number of steps to measure.")] = 50,
    evaluate: Annotated[bool, Option("--evaluate", help="Also time one evaluation.")] = False,
    json: Json = False,
) -> None:
    """Measure how fast a config trains on this machine, at its first stage.

    Data is generated or read as in a run, and cached; no run folder is left behind.
    """
    loaded = load_config(config, overrides or ())
    measured = measure(_endless(loaded.config, steps), steps, evaluate)
    speeds = measured.speeds()
    if json:
        print_json(asdict(measured) | speeds)
        return
    parts = [
        f"{measured.config} on {measured.device}, {measured.parameters:,} parameters, "
        f"stage {measured.stage}: {speeds['steps_per_second'] or 0:.4g} steps/s",
        f"{speeds['examples_per_second'] or 0:,.0f} examples/s",
        f"{speeds['supervised_tokens_per_second'] or 0:,.0f} supervised tokens/s",
    ]
    if speeds["evaluated_examples_per_second"] is not None:
        parts.append(f"evaluation {speeds['evaluated_examples_per_second']:,.0f} examples/s")
    parts.append(f"{measured.steps} steps in {duration(measured.seconds)}")
    parts.append(f"peak memory {measured.peak_memory_bytes / 1e9:.2f} GB")
    say(plain(", ".join(parts)))


def measure(config: RunConfig, steps: int, evaluate: bool) -> BenchResult:
    """Train until enough steps are measured; nothing is saved."""
    from icot_tui.data.load import load_data
    from icot_tui.engine.loop.build import build_trainer
    from icot_tui.engine.loop.control import Control
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext
    from icot_tui.engine.processes import Processes
    from icot_tui.methods import METHODS
    from icot_tui.runs.session import build_accelerator

    method = METHODS[config.method.name]
    if method.run is not None:
        raise UserError(f"{config.name} trains nothing that could be measured")
    measured = BenchResult(config=config.name, batch_size=config.train.batch_size)
    commands = CommandQueue()

    def listen(event: Event) -> None:
        if isinstance(event, StepsTrained) and event.first > WARMUP_STEPS:
            measured.steps += len(event.losses)
            measured.seconds += event.seconds
            measured.supervised_tokens += event.supervised_tokens
            measured.stage = event.stage
            if measured.steps >= steps:
                if evaluate:
                    commands.put(Evaluate())
                commands.put(Stop(save=False))
        elif isinstance(event, Evaluated):
            measured.evaluated_examples = event.examples
            measured.evaluation_seconds = event.seconds

    with tempfile.TemporaryDirectory(prefix="icot-tui-bench-") as parent:
        folder = RunFolder.create(Path(parent), "bench", "")
        accelerator = build_accelerator(config)
        data = load_data(config.data, config.curriculum.unit, config.model.vocabulary)
        data = method.prepare(config, data)
        every = config.train.observe_every
        control = Control(commands, None, Processes(accelerator), config.spikes, every)
        context = RunContext(config, data, folder, accelerator, control, listen)
        training = method.training(context, method.phases(config)[0], RunState())
        trainer = build_trainer(training, context)
        trainer.store.has = lambda state: True  # type: ignore[method-assign]  # save nothing
        measured.device = str(trainer.update.device)
        measured.parameters = sum(p.numel() for p in trainer.update.objective.parameters())
        if config.train.compile:
            trainer.warm_up()
        trainer.run()
    measured.peak_memory_bytes = peak_memory(measured.device)
    return measured


def _endless(config: RunConfig, steps: int) -> RunConfig:
    """The config without anything that would interrupt or end the measured steps."""
    never = 1_000_000_000
    changes: dict[str, dict[str, Any]] = {
        "train": {
            "epochs": None,
            "max_steps": never,
            "steps_after_removal": None,
            "target_accuracy": None,
            "decay_steps": 0,
            "observe_every": min(config.train.observe_every, steps, WARMUP_STEPS),
        },
        "evaluation": {"every_steps": never},
        "checkpoints": {"every_steps": None, "before_removal": False},
        "spikes": {"policy": "log"},
        "trackers": {"names": []},
    }
    sections = {key: getattr(config, key).model_copy(update=new) for key, new in changes.items()}
    return config.model_copy(update=sections)


def peak_memory(device: str) -> int:
    """Peak memory in bytes, on the GPU or else of this process."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

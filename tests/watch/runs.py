"""Made-up runs for the tests of this floor."""

import random
from pathlib import Path

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.events import (
    Collapsed,
    CommandDone,
    Event,
    LossSpike,
    OptimizerReset,
    Paused,
    RolledBack,
    RunEnded,
    RunResumed,
    SpikeRecovered,
    StepsTrained,
    Unpaused,
    UpdatesSkipped,
    Warned,
)
from icot_tui.engine.journal import journal_line
from icot_tui.engine.run_folder import RunFolder
from tests.events import MOST, STARTED, evaluated, removed, saved

BEGAN = 1_790_000_000.0


def make(runs: Path, name: str = "run", events: list[Event] | None = None) -> RunFolder:
    """A run folder with these events, one a second."""
    folder = RunFolder.create(runs, name, dump_toml(load_config("demo").config))
    if events is not None:
        folder.journal.write_bytes(journal(events))
    return folder


def journal(events: list[Event], since: float = BEGAN) -> bytes:
    return b"".join(journal_line(since + at, event) for at, event in enumerate(events))


def any_loss(chance: random.Random) -> float | None:
    """Losses as they come: usual, tiny, huge, whole, missing."""
    kind = chance.random()
    if kind < 0.7:
        return chance.lognormvariate(-1, 2)
    return chance.choice([None, 0.0, 1.0, 5e-05, 1.5e-7, 123.456, 98765.4321, 1e16, 3e300, 1 / 3])


def any_run(chance: random.Random, length: int) -> list[Event]:
    """A run with everything that happens to runs; resumes are from checkpoints that stand."""
    events: list[Event] = [STARTED]
    kept: list[int] = []
    step = stage = spikes = 0
    per_line = chance.choice([1, 3, 10])

    def at_random(*choices: Event) -> Event:
        return chance.choice(choices)

    while len(events) < length:
        dice = chance.random()
        if dice < 0.03 and kept:
            step = chance.choice(kept)
            kept = [one for one in kept if one <= step]
            events.append(RunResumed(step, f"step-{step:08d}"))
        elif dice < 0.035:
            step = stage = 0
            kept = []
            events.append(STARTED)
        elif dice < 0.08 and step not in kept:
            kept.append(step)
            events.append(saved(step, stage))
        elif dice < 0.12:
            stage = stage % MOST + 1
            events += [removed(step, stage), OptimizerReset(step, f"removal {stage}")]
        elif dice < 0.14:
            stage = chance.randrange(stage + 1)
            events.append(RolledBack(step, "step-00000000", stage, "by command"))
        elif dice < 0.25:
            spikes += 1
            events.append(
                at_random(
                    evaluated(step, chance.random(), "x.jsonl", stage),
                    LossSpike(step, spikes, stage, 0.5, 2.0),
                    SpikeRecovered(step, max(1, spikes - 1), stage, 1.5, 8),
                    Collapsed(step, max(1, spikes - 1), stage, 1.5, 80),
                    UpdatesSkipped(step, 2, 2),
                    Paused(step, "by command"),
                    Unpaused(step),
                    CommandDone(step, "x", "hold", True, "held"),
                    Warned(step, 'so, "odd"\nand \x1b[1m \ud800 ünusual'),
                    RunEnded(step, "stopped", False),
                )
            )
        else:
            for _ in range(chance.choice([1, 2, 5, 12])):
                count = per_line if chance.random() < 0.9 else chance.randint(1, 12)
                losses = [any_loss(chance) for _ in range(count)]
                step += count
                events.append(
                    StepsTrained(
                        step, step - count + 1, losses, [any_loss(chance) for _ in losses], stage,
                        chance.choice([1e-3, 5e-05, 3.3333333e-4]), chance.randrange(10**6),
                        chance.randrange(3), chance.random(),
                    )
                )  # fmt: skip
    return events

"""Made-up runs for the tests of this floor."""

import random
from pathlib import Path

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.journal.events import (
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
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import RunFolder
from tests.events import MOST, STARTED, evaluated, probed, removed, saved

BEGAN = 1_790_000_000.0


def make(runs: Path, name: str = "run", events: list[Event] | None = None) -> RunFolder:
    """A run folder with these events, one a second."""
    folder = RunFolder.create(runs, name, dump_toml(load_config("demo").config))
    if events is not None:
        folder.journal.write_bytes(journal(events))
    return folder


def journal(events: list[Event], since: float = BEGAN) -> bytes:
    return b"".join(encode_line(since + at, event) for at, event in enumerate(events))


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
    parts = chance.choice([(), ("nll", "running_sums"), ("student", "ünusual", "teacher")])

    def at_random(*choices: Event) -> Event:
        return chance.choice(choices)

    while len(events) < length:
        dice = chance.random()
        if dice < 0.03 and kept:
            step = chance.choice(kept)
            kept = [one for one in kept if one <= step]
            events.append(RunResumed(step=step, checkpoint=f"step-{step:08d}"))
        elif dice < 0.035:
            step = stage = 0
            kept = []
            events.append(STARTED)
        elif dice < 0.08 and step not in kept:
            kept.append(step)
            events.append(saved(step, stage))
        elif dice < 0.12:
            stage = stage % MOST + 1
            events += [removed(step, stage), OptimizerReset(step=step, cause=f"removal {stage}")]
        elif dice < 0.14:
            stage = chance.randrange(stage + 1)
            events.append(
                RolledBack(step=step, checkpoint="step-00000000", stage=stage, cause="by command")
            )
        elif dice < 0.25:
            spikes += 1
            events.append(
                at_random(
                    evaluated(step, chance.random(), "x.jsonl", stage),
                    probed(step, stage),
                    LossSpike(step=step, spike=spikes, removal=stage, baseline=0.5, loss=2.0),
                    SpikeRecovered(
                        step=step, spike=max(1, spikes - 1), removal=stage, height=1.5, steps=8
                    ),
                    Collapsed(
                        step=step, spike=max(1, spikes - 1), removal=stage, height=1.5, steps=80
                    ),
                    UpdatesSkipped(step=step, skipped=2, in_a_row=2),
                    Paused(step=step, reason="by command"),
                    Unpaused(step=step),
                    CommandDone(
                        step=step, id="x", command="hold", done=True, effect="held", held=True
                    ),
                    Warned(step=step, message='so, "odd"\nand \x1b[1m \ud800 ünusual'),
                    RunEnded(step=step, reason="stopped", finished=False),
                )
            )
        else:
            for _ in range(chance.choice([1, 2, 5, 12])):
                count = per_line if chance.random() < 0.9 else chance.randint(1, 12)
                losses = [any_loss(chance) for _ in range(count)]
                step += count
                events.append(
                    StepsTrained(
                        step=step,
                        first=step - count + 1,
                        losses=losses,
                        gradient_norms=[any_loss(chance) for _ in losses],
                        stage=stage,
                        learning_rate=chance.choice([1e-3, 5e-05, 3.3333333e-4]),
                        supervised_tokens=chance.randrange(10**6),
                        dropped_rows=chance.randrange(3),
                        seconds=chance.random(),
                        loss_parts={name: any_loss(chance) for name in parts},
                        gated_loss=(None, 0.0, 1.25)[step % 3],
                    )
                )
    return events

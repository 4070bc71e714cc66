"""A run that is told, not trained: its journal is written event by event, and panels look at it."""

import asyncio
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from icot_tui.config import check_run, dump_toml
from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.engine.journal.events import (
    Evaluated,
    Event,
    ExampleShown,
    OptimizerReset,
    RunStarted,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import text_of
from icot_tui.tui.run.view import RunView
from icot_tui.watch.source import RunFollower

LINEAR = {"schedule": "linear", "remove_per_epoch": 1.0}
"""One token every hundred steps."""


class Told:
    """A run folder with a journal that grows as the test tells."""

    def __init__(self, runs: Path, tokens: int = 8, name: str = "told", **sections: Any) -> None:
        sections = {"curriculum": LINEAR, "train": {"steps_after_removal": 100}} | sections
        data = {"task": "multiplication", "options": {"digits": "2x2"}}
        config = check_run({"name": name, "data": data, **sections})
        self.folder = RunFolder.create(runs, name, dump_toml(config))
        self.journal = Journal(self.folder.journal)
        self.source = RunFollower(self.folder)
        self.tokens, self.step, self.stage = tokens, 0, 0
        self.most, self.unit = tokens, "token"
        self.folder.lock()

    def tell(self, *events: Event) -> "Told":
        """Journal events."""
        for event in events:
            self.journal.write(event)
        return self

    def start(
        self,
        method: str = "ICoT-SI",
        cot: str = "0 7 2 + 0 0 3 0",
        steps: tuple[int, ...] = (),
    ) -> "Told":
        """The run begins, with an example on show, whose `steps` have so many tokens."""
        if steps:
            self.most, self.unit = len(steps), "step"
        self.tell(
            RunStarted(
                step=0,
                name="told",
                method=method,
                version="0.1",
                device="cpu",
                processes=1,
                parameters=14464,
                train_examples=7900,
                validation_examples=200,
                steps_per_epoch=100,
                max_cot_tokens=self.tokens,
                max_cot_steps=len(steps) or None,
            ),
            ExampleShown(
                step=0,
                input=["0", "3", "*", "9", "1"],
                cot=cot.split(),
                answer=["####", "0", "7", "5", "0"],
                removal_order=list(range(len(cot.split()))),
                removed_at=list(accumulate(steps, initial=0)) if steps else [],
            ),
        )
        if method == "No CoT":
            self.stage = self.tokens
        return self

    def train(
        self,
        steps: int,
        loss: float | None = 1.0,
        gated_loss: float | None = None,
        **parts: float,
    ) -> "Told":
        """So many more steps, ten a look; `parts` are those of a loss that is a sum."""
        while steps > 0:
            count = min(10, steps)
            first, self.step, steps = self.step + 1, self.step + count, steps - count
            losses = [loss] * count
            self.tell(
                StepsTrained(
                    step=self.step,
                    first=first,
                    losses=losses,
                    gradient_norms=losses,
                    stage=self.stage,
                    learning_rate=1e-3,
                    supervised_tokens=4000,
                    dropped_rows=0,
                    seconds=0.5,
                    loss_parts=parts,
                    gated_loss=gated_loss,
                )
            )
        return self

    def remove(self, tokens: int = 1) -> "Told":
        """The next tokens go."""
        before, self.stage = self.stage, self.stage + tokens
        everything = self.stage >= self.most
        return self.tell(
            TokenRemoved(
                step=self.step,
                before=before,
                stage=self.stage,
                cause="on schedule",
                everything=everything,
                unit=self.unit,
            ),
            OptimizerReset(step=self.step, cause=f"removal {self.stage}"),
        )

    def evaluate(self, exact: float, digits: list[float], *samples: Sample) -> "Told":
        """An evaluation, with the samples it kept."""
        name = f"step-{self.step:08}.jsonl"
        write_samples(self.folder.samples / name, samples)
        implicit = self.stage >= self.tokens
        return self.tell(
            Evaluated(
                step=self.step,
                stage=self.stage,
                implicit=implicit,
                exact_match=exact,
                low=max(0, exact - 0.05),
                high=min(1, exact + 0.05),
                examples=200,
                loss=1.0,
                token_accuracy=[*digits, 1.0],
                best=exact,
                seconds=0.1,
                samples=name,
            )
        )

    def view(self, **how: Any) -> RunView:
        """The run as it stands now."""
        while self.source.poll(1.0):
            pass
        now = how.pop("now", self.source.now())
        return RunView(source=self.source, now=now, status=self.source.status(now), **how)


def a_sample(written: str | None, right: str = "0 7 5 0", kind: str = "random") -> Sample:
    """30 * 19, answered somehow."""
    return Sample(
        index=0,
        kind=kind,
        correct=written == right,
        loss=1.0,
        input="0 3 * 9 1",
        cot="0 7 2 + 0 0 3 0",
        answer=right,  # type: ignore[arg-type]
        model_cot="0 3 0",
        model_answer=written,
        tokens=(),
        confidence=(),
    )


class Bench(App[None]):
    """An app with one panel in it."""

    CSS = "Panel { width: 1fr; height: 1fr; }"

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.panel = panel

    def compose(self) -> ComposeResult:
        yield self.panel


def look(
    panel: Panel,
    view: RunView,
    size: tuple[int, int] = (60, 14),
    then: Callable[[Pilot[None]], Any] | None = None,
) -> list[str]:
    """What the panel's lines say at a size, after what `then` does with it."""

    async def run() -> list[str]:
        async with Bench(panel).run_test(size=size) as pilot:
            panel.show(view)
            await pilot.pause()
            panel.show(view)
            await pilot.pause()
            if then is not None:
                await then(pilot)
                await pilot.pause()
            return [text_of(each) for each in panel.query_one(Lines).lines]

    return asyncio.run(run())


def rows_of(pilot: Pilot[None]) -> list[str]:
    """The rows of the screen, borders included."""
    return [strip.text for strip in pilot.app.screen._compositor.render_strips()]


def seen(panel: Panel, view: RunView, size: tuple[int, int]) -> list[str]:
    """The rows of the screen with a panel that fills it."""
    rows: list[str] = []

    async def copy(pilot: Pilot[None]) -> None:
        rows.extend(rows_of(pilot))

    look_at_any(panel, view, size, copy)
    return rows


def look_at_any(
    panel: Panel, view: RunView, size: tuple[int, int], then: Callable[[Pilot[None]], Any]
) -> None:
    """Show a panel, with or without lines, and do something with it."""

    async def run() -> None:
        async with Bench(panel).run_test(size=size) as pilot:
            for _ in range(3):
                panel.show(view)
                await pilot.pause()
            await then(pilot)

    asyncio.run(run())

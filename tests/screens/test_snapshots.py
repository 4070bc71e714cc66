"""How the screens look, at every size, in dark and light, without colour and without Unicode."""

import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from icot_tui.engine.journal.events import CheckpointSaved, LossSpike, SpikeRecovered
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.machine import GpuReading, MachineReading, MachineSampler
from tests.screens.panel_run import Told, a_sample
from tests.screens.snapshot import check, still
from tests.screens.workbench import Engine, press, settled, until, with_engine

BEGAN = 1_800_000_000
"""A Friday in 2027, eight in the morning in Greenwich."""
GPU = GpuReading(
    name="NVIDIA H100",
    use=0.87,
    power_watts=512.0,
    power_limit=700.0,
    memory_used=41e9,
    memory_total=85e9,
    temperature=61.0,
)
MACHINE = MachineReading(0.42, 13_000_000_000, 64_000_000_000, 240_000_000_000, (GPU,))
LOOKS: dict[str, list[tuple[str, tuple[int, int], tuple[str, ...]]]] = {
    "night": [
        ("live", (50, 20), ()), ("live", (80, 24), ()), ("live", (120, 40), ()),
        ("live", (200, 60), ()), ("help", (80, 24), ("?",)),
        ("palette", (80, 24), (":",)),
        ("runs", (80, 24), ("r",)), ("leaving", (80, 24), ("q",)), ("ending", (80, 24), ("u",)),
        ("checkpoints", (80, 24), ("b",)), ("digits", (120, 40), ("3", "i", "f")),
    ],
    "paper": [
        ("live", (80, 24), ()), ("live", (120, 40), ()), ("runs", (120, 40), ("r",)),
        ("leaving", (120, 40), ("q",)), ("live", (50, 20), ()), ("live", (200, 60), ()),
    ],
    "contrast": [
        ("live", (50, 20), ()), ("live", (80, 24), ()), ("live", (120, 40), ()),
        ("live", (200, 60), ()),
    ],
    "no-colour": [("live", (80, 24), ()), ("live", (120, 40), ()), ("ending", (80, 24), ("u",))],
    "ascii": [("live", (50, 20), ()), ("live", (120, 40), ()), ("help", (50, 20), ("?",))],
}  # fmt: skip


class Stepping:
    """A clock that goes on with the run's steps."""

    told: Told | None = None

    def time(self) -> float:
        return BEGAN + (0.0 if self.told is None else 0.04 * self.told.step)


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stepping:
    """Always the same time, machine and folder to run in."""
    clock = Stepping()
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr("icot_tui.formatting._local", in_greenwich)
    monkeypatch.setattr(MachineSampler, "read", lambda self: MACHINE)
    monkeypatch.chdir(tmp_path)
    return clock


def in_greenwich(seconds: float, form: str) -> str:
    return time.strftime(form, time.gmtime(seconds))


def a_run(clock: Stepping) -> Told:
    """A run at stage 3 of 8 that recovers from its last spike, after another, older one."""
    older = Told(Path("runs"), name="seed-1").start("No CoT").train(100)
    older.evaluate(0.13, [0.9, 0.3, 0.2, 0.9])
    told = clock.told = Told(Path("runs"), name="mult-2x2").start()
    for at in range(10):
        told.train(20, 2.0 - 0.18 * at)
    told.evaluate(0.62, [1.0, 0.9, 0.7, 0.9], a_sample("0 7 5 0"), a_sample("0 7 1 0"))
    for spike in (1, 2):
        told.remove()
        told.tell(
            LossSpike(step=told.step + 5, spike=spike, removal=spike, baseline=0.38, loss=1.2)
        ).train(20, 1.2)
        told.train(60, 0.7).train(60, 0.45)
        told.tell(
            SpikeRecovered(step=told.step, spike=spike, removal=spike, height=0.82, steps=120)
        ).train(60, 0.38)
        checkpoint = told.folder.checkpoints / f"step-{told.step:08d}"
        checkpoint.mkdir()
        (checkpoint / "manifest.json").write_text("{}")
        told.evaluate(
            0.6 + 0.1 * spike, [1.0, 0.9, 0.8, 0.9],
            a_sample("0 7 5 0"), a_sample("0 7 1 0"), a_sample(None, kind="worst"),
        )  # fmt: skip
        told.tell(
            CheckpointSaved(
                step=told.step, path=checkpoint.name, stage=spike, bytes=100, seconds=0.1
            )
        )
    return (
        told.remove()
        .tell(LossSpike(step=told.step, spike=3, removal=3, baseline=0.38, loss=1.5))
        .train(40, 1.4)
    )


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_screens_look_as_they_did(
    look: str, clock: Stepping, monkeypatch: pytest.MonkeyPatch
) -> None:
    if look == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    remembered = UserState(path=Path("state.json"))
    remembered.theme = look if look in ("paper", "contrast") else "night"

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        for screen, size, keys in LOOKS[look]:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            app.draw()
            await settled(pilot)
            await press(pilot, *keys)
            await still(pilot, app)
            check(f"{screen}-{size[0]}x{size[1]}-{look}", app)
            await press(pilot, *["escape"] * bool(keys))
            await until(pilot, lambda: app.screen is app.live)

    engine = Engine(a_run(clock))
    with_engine(Path("runs"), engine, steps, (120, 40), remembered, ascii=look == "ascii")


@pytest.mark.parametrize(("size", "theme"), [((80, 24), "night"), ((50, 20), "paper")])
def test_the_welcome_looks_as_it_did(size: tuple[int, int], theme: str, clock: Stepping) -> None:
    engine = Engine(a_run(clock))
    engine.startup_phase = "loading PyTorch"
    remembered = UserState(path=Path("state.json"))
    remembered.theme = theme

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await settled(pilot)
        await still(pilot, app)
        check(f"welcome-{size[0]}x{size[1]}-{theme}", app)

    with_engine(Path("runs"), engine, steps, size, remembered, welcome=True)

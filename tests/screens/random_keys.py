"""Keys in quick succession, as a hasty or confused user presses them, and changes of the size."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from textual import events
from textual.app import App
from textual.keys import _character_to_key
from textual.pilot import Pilot

from icot_tui.tui.actions.table import LIVE_TABLE
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import a_run, until

DIALOGS = ("r", "escape", "enter", "up", "down", "tab", "space", "/", "?", ":", "v", "u")
KEYS = sorted(
    {key for action in LIVE_TABLE.actions for key in action.keys if not key.startswith("ctrl")}
    - {"q"}  # it would leave
    | {"enter", "tab", "home", "pageup", "S", "z", "left"}
)
SIZES = ((80, 24), (120, 40), (45, 20), (200, 60))


def post_keys(app: App[ExitChoice], keys: Sequence[str]) -> None:
    """Put keys into the app's queue as the driver does, without waiting for any."""
    for key in keys:
        name = key if len(key) > 1 else _character_to_key(key)
        app.post_message(events.Key(name, key if len(key) == 1 else None))


async def walk(pilot: Pilot[ExitChoice], dice: random.Random, count: int) -> list[str]:
    """Press so many keys, or until the app is left; gives the keys."""
    pressed: list[str] = []
    app = pilot.app
    while len(pressed) < count and not app._exit:
        among = DIALOGS if dice.random() < 0.5 else KEYS
        keys = [dice.choice(among) for _ in range(dice.choice((1, 1, 2, 3, 5, 8)))]
        pressed += keys
        post_keys(app, keys)
        if dice.random() < 0.05:
            size = dice.choice(SIZES)
            pressed.append(f"{size}")
            await pilot.resize_terminal(*size)
        await asyncio.sleep(dice.choice((0, 0, 0.01, 0.05)))
    return pressed


def walk_over_the_workbench(runs: Path, seed: int, count: int) -> list[str]:
    """All screens of a watched run beside another one; an error of the app is raised here."""
    told = a_run(runs, "first")
    a_run(runs, "second")
    state = UserState(path=runs / "state" / "screen.json")
    app = WorkbenchApp(None, told.source, Options(runs=runs), state)

    async def run() -> list[str]:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(pilot, lambda: app.view is not None)
            return await walk(pilot, random.Random(seed), count)

    return asyncio.run(asyncio.wait_for(run(), 120))


if __name__ == "__main__":
    import sys
    import tempfile

    pressed = 0
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        with tempfile.TemporaryDirectory() as folder:
            pressed += len(walk_over_the_workbench(Path(folder), seed, 250))
    print(f"{pressed:,} keys")

"""Pressing keys without waiting for longer than an app needs."""

from typing import Any

import pytest
from textual.pilot import Pilot

IDLE_SECONDS = 0.005


async def press_key(pilot: Pilot[Any], key: str) -> None:
    """`pilot.press`, which waits twice until the app is idle: for 5 ms each here, not for 20."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual._wait.SLEEP_GRANULARITY", IDLE_SECONDS)
        patch.setattr("textual._wait.SLEEP_IDLE", IDLE_SECONDS / 10)
        await pilot.press(key)

"""What holds for all tests."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from icot_tui.signals import HANDLED

# A shell starts what it sends to the background deaf to Ctrl-C, and nohup what it starts to a
# hang-up, and all below inherit that.
for number, usual in {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
}.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# A busy machine takes its time, which says nothing of the example.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

MEMORY = Path("/dev/shm")
ROOM = 4 << 30

# Thousands of small files are forced to disk, which takes milliseconds each; not so in memory.
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# The alerts of whoever runs the tests are not for the tests' runs.
os.environ["XDG_CONFIG_HOME"] = str(Path(tempfile.gettempdir()) / "icot-tui-no-settings")


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """The program ignores them when it ends; a test that runs it in this process does not."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that may take longest come first, so that no worker is left alone with one."""

    def limit(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 0.0

    items.sort(key=limit, reverse=True)

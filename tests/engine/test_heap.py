"""The process's memory while it trains."""

import gc
import platform
import subprocess
import sys

import pytest

from icot_tui.engine.loop.memory import nothing_collected, settled_heap

BLOCKS = """
import resource, sys
from contextlib import nullcontext
from icot_tui.engine.loop.memory import settled_heap

def pages() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [bytearray(1_000_000) for _ in range(20)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with settled_heap() if sys.argv[1] == "settled" else nullcontext():
    pages()
    print(pages())
"""


def test_what_was_there_before_is_not_gone_through_again() -> None:
    with settled_heap():
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    assert gc.get_freeze_count() == 0
    assert gc.isenabled()


def test_imports_are_not_collected() -> None:
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    settled, usual = (
        int(subprocess.check_output([sys.executable, "-c", BLOCKS, how])) for how in ("settled", "")
    )
    assert settled < 100 < usual

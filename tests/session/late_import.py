"""The real program, where a thread's import of PyTorch goes on after the end of the main one.

`python late_import.py ARGUMENTS`. Nothing has loaded Python's thread pools by then, which PyTorch
needs and which can't be loaded any more.
"""

import concurrent.futures
import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import cast

from icot_tui.cli.app import main

POOLS = "concurrent.futures.thread"


class LateFinder(MetaPathFinder):
    """Finds PyTorch as usual, but for its loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "torch" else None
        if spec is not None:
            usual = cast(SourceFileLoader, spec.loader)
            spec.loader = LateLoader(usual.name, usual.path)
        return spec


class LateLoader(SourceFileLoader):
    """Waits for the end of the main thread."""

    def exec_module(self, module: ModuleType) -> None:
        threading.main_thread().join()
        sys.modules.pop(POOLS, None)
        for name in ("thread", "ThreadPoolExecutor"):
            vars(concurrent.futures).pop(name, None)
        importlib.import_module(POOLS)  # as PyTorch does, a second later
        super().exec_module(module)


if __name__ == "__main__":
    sys.meta_path.insert(0, LateFinder())
    main()

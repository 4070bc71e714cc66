"""icot-tui: the terminal workbench for internalizing chain of thought.

The Python API (docs/api.md) is imported when one of its names is used.
"""

from typing import TYPE_CHECKING, Any

from icot_tui.version import __version__

if TYPE_CHECKING:
    from icot_tui.api import Run, ask, load_run, probe, train

__all__ = ["Run", "__version__", "ask", "load_run", "probe", "train"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in __all__:
            from icot_tui import api

            return getattr(api, name)
        raise AttributeError(f"module 'icot_tui' has no attribute '{name}'")

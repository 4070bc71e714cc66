"""The methods by name: every `Method` that a module or package here has."""

from importlib import import_module
from pkgutil import iter_modules

from icot_tui.methods.base import Method

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
METHODS: dict[str, Method] = {
    found.name: found
    for module in _MODULES
    for found in vars(module).values()
    if isinstance(found, Method)
}

__all__ = ["METHODS", "Method"]

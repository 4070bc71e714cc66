"""The methods by name: every `Method` that a module or package here has."""

from importlib import import_module
from pkgutil import iter_modules

from icot_tui.methods.base import Method

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_FOUND = [value for one in _MODULES for value in vars(one).values() if isinstance(value, Method)]
METHODS = {method.name: method for method in sorted(_FOUND, key=lambda method: method.name)}

__all__ = ["METHODS", "Method"]

"""icot-tui: the terminal workbench for internalizing chain of thought."""

__version__ = "0.1.0"

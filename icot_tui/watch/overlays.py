"""Runs that are drawn over each other: which, and in which colour."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.source import RunFollower, Source

COLOURS = 8
"""Colours that charts have for other runs."""


@dataclass(frozen=True)
class Overlay:
    """Another run in the charts; `colour_index` counts from 0 to 7."""

    name: str
    source: Source
    colour_index: int


class Overlays:
    """The runs that are laid over the one on show; each keeps its colour while it is there.

    Args:
        follow: makes the source of a run.
    """

    def __init__(self, follow: Callable[[RunFolder], Source] = RunFollower) -> None:
        self._follow = follow
        self._shown: dict[str, Overlay] = {}

    @property
    def all(self) -> tuple[Overlay, ...]:
        """In the order in which they were added."""
        return tuple(self._shown.values())

    def add(self, folder: RunFolder, name: str = "") -> Overlay:
        """Lay a run over, under its own name or another; one that is there stays as it is."""
        key = str(folder.path.absolute())
        if key not in self._shown:
            taken = [overlay.colour_index for overlay in self._shown.values()]
            colour = free_colour(folder.name, taken)
            self._shown[key] = Overlay(name or folder.name, self._follow(folder), colour)
        return self._shown[key]

    def remove(self, folder: RunFolder) -> None:
        """Take a run away."""
        self._shown.pop(str(folder.path.absolute()), None)

    def poll(self, seconds: float) -> bool:
        """Read the news of all, for at most about so long together; was there any?"""
        share = seconds / max(1, len(self._shown))
        return any([overlay.source.poll(share) for overlay in self._shown.values()])


def colour_index(name: str) -> int:
    """The colour that a name prefers: always the same, in every session."""
    mixed = 2166136261
    for byte in name.encode(errors="surrogateescape"):
        mixed = ((mixed ^ byte) * 16777619) & 0xFFFFFFFF
    return (mixed ^ mixed >> 16) % COLOURS


def free_colour(name: str, taken: Iterable[int]) -> int:
    """The preferred colour, or else the next that is taken least often."""
    uses, preferred = list(taken), colour_index(name)
    order = [(preferred + step) % COLOURS for step in range(COLOURS)]
    return min(order, key=lambda colour: (uses.count(colour), order.index(colour)))


def name_filter(text: str) -> Callable[[str], bool]:
    """Whether a name fits what the user typed: a part of it, or a regular expression.

    Capital letters do not matter. What is no regular expression is only looked for as it is.
    """
    wanted = text.strip().casefold()
    try:
        pattern = re.compile(text.strip(), re.IGNORECASE)
    except (re.error, RecursionError, OverflowError):
        return lambda name: wanted in name.casefold()
    return lambda name: wanted in name.casefold() or pattern.search(name) is not None

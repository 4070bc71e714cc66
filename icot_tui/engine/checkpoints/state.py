"""`state.json`: what a checkpoint holds besides weights and optimizer, checked as it is read.

`docs/checkpoint-format.md` describes it. Whoever reads it reads it here: keys that this version
does not know are left out, and told; odd values, and a file in a newer format, are refused.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from icot_tui.errors import UserError
from icot_tui.files import read_file

STATE = "state.json"
VERSION = 1
"""Raised when the same content would be read otherwise."""
LARGEST = 64 << 20
"""Bytes of a file that is read at all."""

Number = float | None


class _Best(msgspec.Struct):
    exact_match: float = -1.0
    implicit: bool = False
    step: int = 0
    score: Number = None


class _Run(msgspec.Struct, kw_only=True):
    step: int
    evaluated_step: int = 0
    warmup_began: int = 0
    learning_rate: Number = None
    used_rate: float = 0.0
    remove_per_epoch: Number = None
    rollbacks: int = 0
    collapses: int = 0
    failures: int = 0
    skipped_in_a_row: int = 0
    seconds: float = 0.0
    unobserved: list[Number] = []
    unobserved_norms: list[Number] = []
    unobserved_counts: list[tuple[int, int, int]] = []
    unobserved_parts: list[dict[str, Number]] = []
    unobserved_at_stage: list[Number] = []
    uncounted: bool = True
    best: _Best = msgspec.field(default_factory=_Best)
    phase_began: int = 0
    outcomes: dict[str, str] = {}


class _Curriculum(msgspec.Struct, kw_only=True):
    stage: int
    steps_at_stage: int
    pace: float
    held: bool
    wished: int
    batch_was_implicit: bool
    losses: list[float]
    examples: str = ""
    learnt: list[tuple[list[int], list[int]]] = []


class _Spike(msgspec.Struct, kw_only=True):
    number: int
    removal: int | None
    since: int
    baseline: float
    line: float
    peak: float
    lowest: Number
    last_progress: int
    progressed: bool = False
    collapsed: bool = False


class _Spikes(msgspec.Struct, kw_only=True):
    open: _Spike | None
    count: int
    stage: int | None
    removed_at: int
    before: tuple[float, float] | None
    losses: list[float]
    best_accuracy: Number


class _State(msgspec.Struct, kw_only=True):
    run: _Run
    curriculum: _Curriculum
    spikes: _Spikes
    version: int = VERSION


def read_state(checkpoint: Path) -> tuple[dict[str, Any], list[str]]:
    """(the file's content, keys that this version does not know and leaves out).

    Raises:
        UserError: it is missing, damaged, or in a newer format; or a value is missing, or of
            another kind than it should be.
    """
    read = _json(checkpoint / STATE)
    try:
        known: dict[str, Any] = msgspec.to_builtins(msgspec.convert(read, _State))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = where.strip("`.") or "the whole"
        raise UserError(
            f"{checkpoint / STATE} is damaged, or of another version of icot-tui "
            f"({place}: {what[:1].lower()}{what[1:]})"
        ) from error
    return known, list(_unknown(read, known))


def left_out(unknown: list[str]) -> list[str]:
    """A sentence on the keys that were left out, if there are any."""
    if not unknown:
        return []
    return [
        f"the checkpoint was written by another version of icot-tui: {', '.join(unknown)} in its "
        f"{STATE} is not known to this one and left out"
    ]


def _json(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(read_file(path, LARGEST))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: it is damaged") from error
    if not isinstance(state, dict):
        raise UserError(f"{path} cannot be read: it is damaged")
    version = state.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"{path} was written by a newer icot-tui, in format {version}, and this version reads "
            f"up to {VERSION}: use that one"
        )
    return state


def _unknown(read: dict[str, Any], known: dict[str, Any], front: str = "") -> list[str]:
    found = []
    for key, value in read.items():
        if key not in known:
            found.append(f"{front}{key}")
        elif isinstance(value, dict) and isinstance(known[key], dict):
            found += _unknown(value, known[key], f"{front}{key}.")
    return found

"""Tags and a note of a run: in `notes.toml` of its folder, so that a copy of it has them."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.files import read_small, write_atomically

FILE = "notes.toml"
MOST_BYTES = 64 << 10
TAG = re.compile(r"\w[\w.-]{0,39}")


@dataclass(frozen=True)
class Notes:
    """What a person wrote about a run; tags in their order, without doubles."""

    tags: tuple[str, ...] = ()
    note: str = ""


NOTHING = Notes()


def read_notes(run: RunFolder) -> Notes:
    """What the file says; a damaged one, a link or no file says nothing."""
    text = read_small(run.path / FILE, MOST_BYTES)
    if text is None:
        return NOTHING
    try:
        found = tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return NOTHING
    tags, note = found.get("tags", []), found.get("note", "")
    known = [tag for tag in tags if is_tag(tag)] if isinstance(tags, list) else []
    return Notes(tuple(dict.fromkeys(known)), note if isinstance(note, str) else "")


def write_notes(run: RunFolder, notes: Notes) -> None:
    """Put them into the run's folder.

    Raises:
        UserError: a tag is none, the note is too long, or the folder can't be written.
    """
    import tomli_w

    for tag in notes.tags:
        if not is_tag(tag):
            raise UserError(
                f"'{tag}' can't be a tag: up to 40 letters, digits, dots, underscores and hyphens"
            )
    try:
        text = tomli_w.dumps({"tags": list(notes.tags), "note": notes.note})
        if len(text.encode()) > MOST_BYTES:
            raise UserError(f"the note is too long: {MOST_BYTES:,} bytes are the most")
        write_atomically(run.path / FILE, text, own_folder=True)
    except UnicodeEncodeError as error:
        raise UserError("the note is not UTF-8 text") from error
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"cannot write {run.path / FILE}: {why}", 1) from error


def change_tags(run: RunFolder, add: Sequence[str], remove: Sequence[str]) -> Notes:
    """Add and remove tags; errors as of `write_notes`."""
    old = read_notes(run)
    missing = [tag for tag in remove if tag not in old.tags]
    if missing:
        there = ", ".join(old.tags) or "none"
        raise UserError(f"run {run.name} has no tag '{missing[0]}'; its tags: {there}")
    kept = [tag for tag in old.tags if tag not in remove]
    new = Notes(tuple(dict.fromkeys([*kept, *add])), old.note)
    write_notes(run, new)
    return new


def is_tag(tag: object) -> bool:
    """Can it be a tag?"""
    return isinstance(tag, str) and TAG.fullmatch(tag) is not None

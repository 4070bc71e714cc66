"""docs/journal-format.md names every event and command with their fields, and no others."""

import re
from pathlib import Path

import msgspec
import pytest

from icot_tui.engine.journal.events import EVENTS, SCHEMA, Event
from icot_tui.engine.loop.commands import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "journal-format.md").read_text()
ROWS = {
    name: cells[-1]
    for cells in (line.strip("| ").split(" | ") for line in PAGE.splitlines() if line[:2] == "| ")
    for name in re.findall(r"`([\w-]+)`", cells[0])
}
"""The last cell of each table's row, by the names in its first one."""


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_its_row_with_all_its_fields(name: str) -> None:
    own = set(EVENTS[name].__struct_fields__) - set(Event.__struct_fields__)
    missing = own - set(re.findall(r"`(\w+)`", ROWS[name]))
    assert not missing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_row_with_all_its_fields(name: str) -> None:
    own = set(COMMANDS[name].__struct_fields__) - {"id"}
    assert set(re.findall(r"`(\w+)`", ROWS[name])) == own


def test_nothing_else_has_a_row() -> None:
    assert ROWS.keys() == EVENTS.keys() | COMMANDS.keys()


def test_fields_that_can_be_null_are_marked() -> None:
    for name, kind in EVENTS.items():
        for field in msgspec.structs.fields(kind):
            if type(None) in getattr(field.type, "__args__", ()):
                assert "null" in ROWS[name], (name, field.name)


def test_the_version_of_the_schema_is_the_one_that_is_written() -> None:
    assert f"version of the schema: {SCHEMA} now" in PAGE

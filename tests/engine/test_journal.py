"""The journal's file: written line by line, read while it grows, whatever the disk does."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from icot_tui.engine.journal.events import (
    Event,
    TokenRemoved,
    Warned,
)
from icot_tui.engine.journal.journal import Journal, JournalReader
from icot_tui.errors import UserError
from tests.engine.journal_lines import trained

WRITER = """
import sys
from pathlib import Path
from icot_tui.engine.journal.events import Warned
from icot_tui.engine.journal.journal import Journal

journal = Journal(Path(sys.argv[1]))
for step in range(int(sys.argv[2])):
    journal.write(Warned(step=step, message=f"näws {step} " + "x" * (step % 300)))
journal.close()
"""


def steps(path: Path) -> list[int]:
    return [event.step for _, event in JournalReader(path).events()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_what_was_written_is_read(path: Path) -> None:
    events: list[Event] = [
        trained(1),
        Warned(step=1, message='quotes " and \x1b[31m'),
        TokenRemoved(step=1, before=0, stage=1, cause="c", everything=False),
    ]
    journal = Journal(path)
    for event in events:
        journal.write(event)
    journal.close()
    read = list(JournalReader(path).events())
    assert [event for _, event in read] == events
    assert all(when > 1e9 for when, _ in read)


def test_non_finite_numbers_are_null(path: Path) -> None:
    journal = Journal(path)
    journal.write(trained(1, float("nan")))
    journal.write(trained(2, float("inf")))
    assert [line["losses"] for line in map(json.loads, path.read_text().splitlines())] == [
        [None],
        [None],
    ]
    assert "NaN" not in path.read_text()


def test_text_that_is_no_unicode_is_written(path: Path) -> None:
    Journal(path).write(Warned(step=1, message=os.fsdecode(b"caf\xe9.txt")))
    [(_, event)] = JournalReader(path).events()
    assert event == Warned(step=1, message=r"caf\udce9.txt")


def test_every_torn_end_is_skipped_and_the_next_writer_starts_a_new_line(path: Path) -> None:
    journal = Journal(path)
    for step in (1, 2):
        journal.write(Warned(step=step, message="ä€😀"))
    journal.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept = [1, 2] if cut == len(whole) else [1]
        assert steps(path) == kept
        journal = Journal(path)
        journal.write(Warned(step=3, message="later"))
        journal.close()
        complete = [1, 2] if cut >= len(whole) - 1 else [1]
        assert steps(path) == [*complete, 3]


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x00\x00\x00",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"event":"Warned"}',
        b'{"step":1}',
        b'{"event":["Warned"],"step":1,"message":"x"}',
        b'{"event":"Warned","step":1}',
        b'{"event":"Unheard","step":1}',
        b"[" * 100_000,
    ],
)
def test_damaged_and_unknown_lines_are_skipped(path: Path, damaged: bytes) -> None:
    Journal(path).write(Warned(step=1, message="before"))
    with open(path, "ab") as file:
        file.write(damaged + b"\n")
    Journal(path).write(Warned(step=2, message="after"))
    assert steps(path) == [1, 2]


def test_fields_of_a_newer_version_are_left_out(path: Path) -> None:
    path.write_text('{"event":"Warned","step":1,"message":"x","time":"soon","urgency":3}\n')
    assert list(JournalReader(path).events()) == [(0.0, Warned(step=1, message="x"))]


def test_a_journal_that_is_not_there_has_no_lines_yet(path: Path) -> None:
    reader = JournalReader(path)
    assert list(reader.events()) == []
    Journal(path).write(Warned(step=1, message="x"))
    assert len(list(reader.events())) == 1


def test_a_reader_from_the_end_sees_only_what_comes(path: Path) -> None:
    journal = Journal(path)
    journal.write(Warned(step=1, message="old"))
    reader = JournalReader.at_end(path)
    journal.write(Warned(step=2, message="new"))
    assert [event.step for _, event in reader.events()] == [2]


def test_a_reader_follows_lines_that_arrive_in_pieces(path: Path) -> None:
    whole = (
        b'{"event":"Warned","step":1,"message":"x"}\n{"event":"Warned","step":2,"message":"y"}\n'
    )
    reader, seen = JournalReader(path), []
    for at in range(len(whole)):
        with open(path, "ab") as file:
            file.write(whole[at : at + 1])
        seen += [event.step for _, event in reader.events()]
    assert seen == [1, 2]


def test_a_reader_beside_a_writing_process_misses_nothing(path: Path) -> None:
    count = 5000
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(count)])
    reader, seen = JournalReader(path), []
    while writer.poll() is None:
        seen += [event.step for _, event in reader.events()]
    seen += [event.step for _, event in reader.events()]
    assert writer.returncode == 0
    assert seen == list(range(count))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a page or two."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    path, ballast = small_disk / "journal.jsonl", small_disk / "ballast"
    ballast.write_bytes(b"x" * 8192)
    journal = Journal(path)
    written = 0
    while journal.error is None:
        written += 1
        journal.write(Warned(step=written, message="x" * 500))
    assert journal.error.errno == errno.ENOSPC
    for _ in range(3):
        written += 1
        journal.write(Warned(step=written, message="still full"))
    with pytest.raises(OSError, match="No space left"):
        journal.flush()
    assert steps(path) == list(range(1, len(steps(path)) + 1))  # whole lines only, in order
    ballast.unlink()
    journal.flush()
    assert journal.error is None
    assert steps(path) == list(range(1, written + 1))


def test_a_device_without_space_is_an_error_to_ask_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)
    journal.write(Warned(step=1, message="x"))
    assert journal.error is not None
    assert journal.error.errno == errno.ENOSPC


def test_a_journal_that_cannot_be_opened_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        Journal(tmp_path / "gone" / "journal.jsonl")


def test_a_file_system_that_numbers_files_anew_takes_no_journal_away(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sshfs may: the file at the path is known by its end then."""
    journal = Journal(path)
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    for step in range(3):
        journal.write(Warned(step=step, message="x"))
        assert journal.error is None and journal.displaced() is None
    (tmp_path / "config.toml").touch()
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes()[:-2] + b" \n")
    os.replace(other, path)
    assert "was replaced by another file" in (journal.displaced() or "")
    journal.close()

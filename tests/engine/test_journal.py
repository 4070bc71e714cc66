import errno
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from icot_tui.engine.journal.events import (
    EVENTS,
    CheckpointSaved,
    CommandDone,
    Event,
    Int64,
    RunResumed,
    RunStarted,
    StepsTrained,
    ThoughtsCompared,
    TokenRemoved,
    Warned,
)
from icot_tui.engine.journal.journal import Journal, JournalReader, decode_line, encode_line
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.journal.wording import describe
from icot_tui.errors import UserError
from icot_tui.units import Unit

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


def trained(step: int, loss: float | None = 1.0) -> StepsTrained:
    return StepsTrained(
        step=step,
        first=step,
        losses=[loss],
        gradient_norms=[1.0],
        stage=0,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=0.1,
    )


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


def standing(events: list[Event]) -> list[Event]:
    return [event for _, event in effective((0.0, event) for event in events)]


def test_a_resume_undoes_what_came_after_its_checkpoint() -> None:
    before = [trained(10), CheckpointSaved(step=10, path="step-10", stage=0, bytes=1, seconds=0.1)]
    undone = [
        TokenRemoved(step=10, before=0, stage=1, cause="on schedule", everything=False),
        trained(20),
    ]
    after = [
        RunResumed(step=10, checkpoint="step-10"),
        TokenRemoved(step=10, before=0, stage=1, cause="on schedule", everything=False),
        trained(20),
    ]
    assert standing([*before, *undone, *after]) == [*before, *after]


def test_a_second_resume_from_the_same_checkpoint() -> None:
    saved, resumed = (
        CheckpointSaved(step=10, path="step-10", stage=0, bytes=1, seconds=0.1),
        RunResumed(step=10, checkpoint="step-10"),
    )
    assert standing([saved, trained(20), resumed, trained(20), resumed]) == [
        saved,
        resumed,
        resumed,
    ]


def test_a_checkpoint_whose_line_was_lost() -> None:
    resumed = RunResumed(step=10, checkpoint="step-10")
    assert standing([trained(10), resumed, trained(20)]) == [trained(10), resumed, trained(20)]
    assert standing([trained(10), trained(20), resumed]) == [trained(10), resumed]


def test_a_run_that_starts_anew_undoes_everything() -> None:
    started = RunStarted(
        step=0,
        name="r",
        method="m",
        version="1",
        device="cpu",
        processes=1,
        parameters=1,
        train_examples=1,
        validation_examples=1,
        steps_per_epoch=1,
        max_cot_tokens=1,
    )
    assert standing([started, trained(10), started]) == [started]


def test_effective_on_random_histories_is_what_the_branch_wrote() -> None:
    """Kill a simulated run at random; what stands is always the history of the surviving branch."""
    chance = random.Random(7)
    for _ in range(200):
        events: list[Event] = []
        branch: list[Event] = []
        saved: dict[str, list[Event]] = {}
        step = 0
        for _ in range(60):
            dice = chance.random()
            if dice < 0.15 and saved:
                name = chance.choice(list(saved))
                step = int(name)
                new: Event = RunResumed(step=step, checkpoint=name)
                branch = [*saved[name], new]
            elif dice < 0.4 and str(step) not in saved:
                new = CheckpointSaved(step=step, path=str(step), stage=0, bytes=1, seconds=0.1)
                branch = [*branch, new]
                saved[str(step)] = branch
            else:
                step += 1
                new = trained(step, chance.random())
                branch = [*branch, new]
            events.append(new)
            if isinstance(new, RunResumed):  # newer checkpoints were damaged
                saved = {name: past for name, past in saved.items() if int(name) < step}
                saved[str(step)] = branch
        assert standing(events) == branch


def filled(kind: type[Event], number: float = 0.5) -> Event:
    """An event of a kind with some value in every field; `number` where a float belongs."""
    values = {
        Int64: 3, str: "text", float: number, bool: True, bool | None: None, Int64 | None: None,
        float | None: number, list[float | None]: [number, None], list[float]: [number],
        list[str]: ["1"], list[Int64]: [0], Unit: "step",
    }  # fmt: skip
    return kind(**{field.name: values[field.type] for field in msgspec.structs.fields(kind)})


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_every_event_has_a_sentence_and_survives_its_line(kind: type[Event]) -> None:
    event = filled(kind)
    assert describe(event) not in ("", kind.__name__)
    assert decode_line(encode_line(1.5, event)) == (1.5, event)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_a_number_that_is_not_finite_is_null(kind: type[Event], number: float) -> None:
    values = json.loads(encode_line(1.5, filled(kind, number)), parse_constant=pytest.fail)
    fields = msgspec.structs.fields(kind)
    for field in fields:
        if field.type in (float, float | None):
            assert values[field.name] is None
    always = {field.name for field in fields if field.type in (float, list[float])}
    for name in always:  # null in their place is damage
        assert decode_line(json.dumps(values).encode()) is None
        values[name] = json.loads(encode_line(1.5, filled(kind)))[name]
    read = decode_line(json.dumps(values).encode())
    assert read is not None
    assert describe(read[1])


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_a_value_of_a_wrong_type_is_damage(kind: type[Event]) -> None:
    values = json.loads(encode_line(1.5, filled(kind)))
    wrong: dict[object, list[object]] = {
        Int64: [True, 1.5, "1", None, 2**63, [1]], str: [1, None, ["x"]], bool: [1, "true", None],
        float: [True, "1", None], bool | None: [0, "false"], Int64 | None: [True, 1.5, "1", 2**63],
        float | None: [True, "1", []], list[float | None]: [[True], ["x"], 1.0, None],
        list[float]: [[None], ["x"], 1.0, None], list[str]: [[1], "x"],
        list[Int64]: [[0.5], [True]], Unit: ["word", 1, None],
    }  # fmt: skip
    for field in msgspec.structs.fields(kind):
        for value in wrong[field.type]:
            line = json.dumps(values | {field.name: value}).encode()
            assert decode_line(line) is None, (field.name, value)
        if field.required:
            lacking = {name: value for name, value in values.items() if name != field.name}
            assert decode_line(json.dumps(lacking).encode()) is None, field.name


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_fields_of_newer_versions_are_left_out_of_every_event(kind: type[Event]) -> None:
    values = json.loads(encode_line(1.5, filled(kind)))
    line = json.dumps({"newer": {"a": [None]}} | values | {"newest": 1}).encode()
    assert decode_line(line) == (1.5, filled(kind))


def test_numbers_of_numpy_are_numbers() -> None:
    event = ThoughtsCompared(step=1, loss=np.float64(0.5), blocks=[np.float64("nan"), 0.5])
    assert decode_line(encode_line(1.5, event)) == (
        1.5,
        ThoughtsCompared(step=1, loss=0.5, blocks=[None, 0.5]),
    )


def test_an_event_of_a_newer_version_is_skipped() -> None:
    assert decode_line(b'{"time":1.0,"event":"Unheard","step":1}') is None


@pytest.mark.parametrize(
    ("effect", "held"), [("stage 3 is held", True), ("the schedule goes on", False)]
)
def test_a_hold_of_version_0_1_is_understood_by_its_words(effect: str, held: bool) -> None:
    line = {"time": 1.0, "event": "CommandDone", "step": 1, "id": "x", "command": "hold"}
    [_, event] = decode_line(json.dumps(line | {"done": True, "effect": effect}).encode()) or []
    assert isinstance(event, CommandDone)
    assert event.held is held
    [_, event] = decode_line(json.dumps(line | {"done": False, "effect": effect}).encode()) or []
    assert isinstance(event, CommandDone)
    assert event.held is None  # it was refused


def test_what_version_0_1_wrote_for_text_that_is_no_unicode_is_read() -> None:
    line = b'{"time":1.0,"event":"Warned","step":1,"message":"caf\\udce9.txt"}'
    assert decode_line(line) == (1.0, Warned(step=1, message="caf\udce9.txt"))

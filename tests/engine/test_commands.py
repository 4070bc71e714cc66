import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from icot_tui.engine.loop.commands import (
    COMMANDS,
    Advance,
    Command,
    CommandQueue,
    Hold,
    Pause,
    Rollback,
    Save,
    SetLearningRate,
    Stop,
    post,
)

POSTER = """
import sys
from pathlib import Path
from icot_tui.engine.loop.commands import Advance, post

for tokens in range(1, int(sys.argv[2]) + 1):
    post(Path(sys.argv[1]), Advance(tokens=tokens))
"""


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return tmp_path / "control"


@pytest.fixture
def queue(mailbox: Path) -> CommandQueue:
    return CommandQueue(mailbox, poll_seconds=0)


def test_commands_come_out_in_order_and_once(queue: CommandQueue, mailbox: Path) -> None:
    inside, outside = [Pause(), Advance(tokens=3)], [Save(), Stop(save=False), Rollback(step=120)]
    for command in inside:
        queue.put(command)
    for command in outside:
        post(mailbox, command)
    assert queue.take() == [*inside, *outside]
    assert queue.take() == []
    assert list(mailbox.iterdir()) == []


def test_a_queue_without_a_mailbox() -> None:
    queue = CommandQueue()
    queue.put(Pause())
    assert len(queue.take()) == 1


def test_letters_of_another_process_arrive_whole_and_in_order(
    queue: CommandQueue, mailbox: Path
) -> None:
    count = 200
    poster = subprocess.Popen([sys.executable, "-c", POSTER, str(mailbox), str(count)])
    seen: list[Command] = []
    while poster.poll() is None:
        seen += queue.take()
    seen += queue.take()
    assert poster.returncode == 0
    assert [command.tokens for command in seen if isinstance(command, Advance)] == [
        *range(1, count + 1)
    ]


def test_letters_of_others_are_ignored(queue: CommandQueue, mailbox: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    foreign = post(mailbox, Stop())
    os.chown(foreign, 12345, 12345)
    post(mailbox, Pause())
    assert [type(command) for command in queue.take()] == [Pause]
    assert not foreign.exists()


def test_a_link_to_a_letter_elsewhere_is_ignored(
    queue: CommandQueue, mailbox: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "letter.json"
    elsewhere.write_text(json.dumps(msgspec.to_builtins(Stop())))
    (mailbox / "1.json").symlink_to(elsewhere)
    assert queue.take() == []
    assert elsewhere.exists()
    assert not (mailbox / "1.json").is_symlink()


@pytest.mark.parametrize(
    "letter",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"[" * 4000,
        b"{}",
        b'{"command":"explode"}',
        b'{"command":["stop"]}',
        b'{"command":"pause","why":"because"}',
        b'{"command":"advance","tokens":"all"}',
        b'{"command":"advance","tokens":true}',
        b'{"command":"advance","tokens":1.5}',
        b'{"command":"advance","tokens":null}',
        b'{"command":"set-lr","learning_rate":NaN}',
        b'{"command":"set-lr","learning_rate":1e999}',
        b'{"command":"pause","id":7}',
        b'{"command":"stop","save":"no","padding":"' + b"x" * 100_000 + b'"}',
    ],
)
def test_what_is_no_command_is_thrown_away(
    queue: CommandQueue, mailbox: Path, letter: bytes
) -> None:
    (mailbox / "0.json").write_bytes(letter)
    post(mailbox, Pause())
    assert [type(command) for command in queue.take()] == [Pause]
    assert list(mailbox.iterdir()) == []


def test_odd_things_in_the_mailbox_harm_nothing(queue: CommandQueue, mailbox: Path) -> None:
    (mailbox / "0.json").mkdir()
    os.mkfifo(mailbox / "1.json")
    (mailbox / "2.writing").write_text("half a lett")
    post(mailbox, Pause())
    assert [type(command) for command in queue.take()] == [Pause]
    assert queue.take() == []


def test_a_letter_that_stays_is_not_obeyed_again_and_again(
    queue: CommandQueue, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(mailbox, Advance())

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "unlink", refuse)
    assert queue.take() == []


def test_yesterdays_letters_are_thrown_away(mailbox: Path) -> None:
    mailbox.mkdir()
    post(mailbox, Stop())
    queue = CommandQueue(mailbox, poll_seconds=0)
    post(mailbox, Pause())
    assert [type(command) for command in queue.take()] == [Pause]
    assert list(mailbox.iterdir()) == []


def test_a_mailbox_that_went_away_is_empty(queue: CommandQueue, mailbox: Path) -> None:
    mailbox.rmdir()
    assert queue.take() == []
    with pytest.raises(OSError, match="No such file"):
        post(mailbox, Pause())


def test_the_mailbox_is_private(queue: CommandQueue, mailbox: Path) -> None:
    assert mailbox.stat().st_mode & 0o077 == 0


def test_looking_costs_microseconds_between_polls(mailbox: Path) -> None:
    queue = CommandQueue(mailbox, poll_seconds=60)
    queue.take()
    began = time.perf_counter()
    for _ in range(1000):
        queue.take()
    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_survives_the_mailbox(name: str, queue: CommandQueue, mailbox: Path) -> None:
    command = COMMANDS[name]()
    path = post(mailbox, command)
    values = json.loads(path.read_bytes())
    assert values == {"command": name, **msgspec.structs.asdict(command)}
    assert queue.take() == [command]


def test_whole_numbers_are_numbers(queue: CommandQueue, mailbox: Path) -> None:
    (mailbox / "0.json").write_text('{"command":"set-lr","learning_rate":1}')
    (mailbox / "1.json").write_text('{"command":"rollback","step":null}')
    rate, rollback = queue.take()
    assert isinstance(rate, SetLearningRate)
    assert math.isclose(rate.learning_rate, 1)
    assert isinstance(rollback, Rollback)
    assert rollback.step is None


def test_ids_differ() -> None:
    assert len({Hold().id for _ in range(1000)}) == 1000

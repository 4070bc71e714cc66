import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from icot_tui.cli.narrator import Narrator
from icot_tui.engine.journal.events import (
    Event,
    OptimizerReset,
    PhaseBegan,
    StepsTrained,
    TokenRemoved,
    Warned,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.formatting import duration
from tests.events import STARTED, evaluated

pytestmark = pytest.mark.slow

TALKER = """
import os, signal, sys, time
from pathlib import Path
from icot_tui.cli.printer import ResilientStdout, best_style
from icot_tui.cli.reporter import Reporter
from icot_tui.engine.journal.events import *
from icot_tui.engine.journal.summary import RunSummary

style, log, count, pause = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
outlet = ResilientStdout(log)
signal.signal(signal.SIGHUP, lambda number, frame: outlet.hang_up())
reporter = Reporter(best_style() if style == "best" else style, outlet, RunSummary())
reporter.message("hello \\x1b[31m[bold]you[/bold]")
reporter(
    RunStarted(
        step=0,
        name="r",
        method="ICoT-SI",
        version="1",
        device="cpu",
        processes=1,
        parameters=1000,
        train_examples=640,
        validation_examples=100,
        steps_per_epoch=10,
        max_cot_tokens=25,
    )
)
slowest = 0.0
for step in range(1, count + 1):
    began = time.perf_counter()
    reporter(
        StepsTrained(
            step=step,
            first=step,
            losses=[1.0],
            gradient_norms=[1.0],
            stage=min(step, 25),
            learning_rate=1e-3,
            supervised_tokens=10,
            dropped_rows=0,
            seconds=0.01,
        )
    )
    if step <= 25:
        reporter(
            TokenRemoved(
                step=step,
                before=step - 1,
                stage=step,
                cause="on schedule",
                everything=step == 25,
            )
        )
        reporter(OptimizerReset(step=step, cause=f"removal {step}"))
    slowest = max(slowest, time.perf_counter() - began)
    time.sleep(pause)
reporter(Warned(step=count, message="odd \\x1b]0;title\\x07 [red]text[/red] :smile:"))
reporter(RunEnded(step=count, reason="done", finished=True))
reporter.message(lambda summary: f"{summary.metrics.step} steps, {summary.removed} removed")
began = time.perf_counter()
closed = reporter.close()
print(f"{slowest} {time.perf_counter() - began} {closed}", file=open(f"{log}.times", "w"))
"""


def talk(style: str, log: Path, count: int = 30, pause: float = 0.0) -> list[str]:
    return [sys.executable, "-c", TALKER, style, str(log), str(count), str(pause)]


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, command: Sequence[str], columns: int = 100) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # test runners set the latter
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)

    def read(self, seconds: float = 120.0) -> str:
        """All that is written until the program ends."""
        seen, deadline = b"", time.monotonic() + seconds
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            try:
                piece = os.read(self.master, 65536) if ready else b""
            except OSError:  # everybody has closed the other end
                break
            seen += piece
            if not piece and self.process.poll() is not None:
                break
        self.process.wait(10)
        return seen.decode()


def visible(text: str) -> str:
    """Without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def test_a_pipe_gets_plain_lines(log: Path) -> None:
    ran = subprocess.run(talk("best", log), capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert lines[0] == "hello \\x1b[31m[bold]you[/bold]"
    assert "run r started: ICoT-SI" in lines[1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  step +1  .*loss 1\.0000.*", lines[2])
    assert "the whole chain of thought is removed" in lines[3]
    assert "optimizer reset" in lines[3]
    assert "odd \\x1b]0;title\\x07 [red]text[/red] :smile:" in lines[4]
    assert "ended: done" in lines[5]
    assert lines[6:] == ["30 steps, 25 removed"]
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout


def test_a_terminal_gets_a_live_display_and_a_log_above_it(log: Path) -> None:
    terminal = Terminal(talk("best", log, count=60, pause=0.02))
    text = terminal.read()
    assert terminal.process.returncode == 0
    assert "\x1b]0;title" not in text  # shown, not obeyed
    shown = visible(text)
    assert "removed 25 of 25 tokens" in shown
    assert "steps/s" in shown
    assert "odd \\x1b]0;title\\x07 [red]text[/red] :smile:" in shown
    assert "60 steps, 25 removed" in shown
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back
    redraws = shown.count("getting ready") + shown.count("removed 25 of 25 tokens")
    assert redraws <= 12  # at most four a second


def test_a_narrow_terminal_cuts_the_figures_off(log: Path) -> None:
    terminal = Terminal(talk("best", log, count=60, pause=0.02), columns=30)
    figures = [line for line in visible(terminal.read()).split("\r\n") if line.startswith("step ")]
    assert all(line.endswith("…") and len(line) <= 30 for line in figures)


def test_a_dumb_terminal_gets_plain_lines(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(["env", "TERM=dumb", *talk("best", log)])
    assert "\x1b" not in terminal.read()


def test_json_is_the_journals_lines_and_words_go_elsewhere(log: Path, tmp_path: Path) -> None:
    ran = subprocess.run(talk("json", log), capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[0].startswith("hello")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["event"] for line in lines[:3]] == ["RunStarted", "StepsTrained", "TokenRemoved"]
    assert lines[-1]["event"] == "RunEnded"
    (tmp_path / "journal.jsonl").write_text(ran.stdout)
    assert len(list(JournalReader(tmp_path / "journal.jsonl").events())) == len(lines) == 83


def test_quiet_says_only_what_it_is_told(log: Path) -> None:
    ran = subprocess.run(talk("quiet", log), capture_output=True, text=True, check=True)
    assert len(ran.stdout.splitlines()) == 2


@pytest.mark.parametrize("style", ["plain", "json", "live"])
def test_a_reader_that_goes_away_is_no_error(style: str, log: Path) -> None:
    process = subprocess.Popen(talk(style, log, count=40, pause=0.03), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(120) == 0
    text = log.read_text()
    assert "the terminal is gone" in text
    assert "ended: done" in text
    assert "40 steps, 25 removed" in text


@pytest.mark.parametrize("style", ["plain", "live"])
def test_a_terminal_that_hangs_up_is_no_error(style: str, log: Path) -> None:
    terminal = Terminal(talk(style, log, count=60, pause=0.03))
    while b"started" not in os.read(terminal.master, 65536):
        pass
    os.close(terminal.master)
    assert terminal.process.wait(120) == 0
    text = log.read_text()
    assert "ended: done" in text
    assert "Traceback" not in text


def test_after_sighup_the_log_goes_on_in_the_file(log: Path) -> None:
    terminal = Terminal(talk("live", log, count=80, pause=0.03))
    while b"started" not in os.read(terminal.master, 65536):
        pass
    terminal.process.send_signal(signal.SIGHUP)
    terminal.read()
    assert terminal.process.returncode == 0
    assert "\x1b" not in log.read_text()
    assert "ended: done" in log.read_text()


def test_sighup_leaves_a_pipe_alone(log: Path) -> None:
    process = subprocess.Popen(talk("plain", log, 60, 0.03), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert "ended: done" in process.stdout.read()
    assert process.wait(120) == 0
    assert not log.exists()


@pytest.mark.parametrize("style", ["plain", "live", "json"])
def test_a_stalled_terminal_holds_up_neither_training_nor_the_end(style: str, log: Path) -> None:
    terminal = Terminal(talk(style, log, count=3000))  # nobody reads: its buffer soon is full
    assert terminal.process.wait(120) == 0
    slowest, farewell, closed = Path(f"{log}.times").read_text().split()
    assert float(slowest) < 0.25
    if closed == "False":
        assert float(farewell) < 10
    os.close(terminal.master)


def test_a_full_disk_under_the_output_is_no_error(log: Path) -> None:
    with open("/dev/full", "w") as full:
        assert subprocess.run(talk("plain", log), stdout=full, check=False).returncode == 0


def test_quick_removals_become_one_line() -> None:
    narrator = Narrator(RunSummary())
    told: list[Event] = []
    for stage in range(1, 4):
        told += [
            TokenRemoved(
                step=stage, before=stage - 1, stage=stage, cause="on schedule", everything=False
            ),
            OptimizerReset(step=stage, cause=""),
            StepsTrained(
                step=stage,
                first=stage,
                losses=[1.0],
                gradient_norms=[1.0],
                stage=stage,
                learning_rate=1e-3,
                supervised_tokens=1,
                dropped_rows=0,
                seconds=0.1,
            ),
        ]
    assert [line for event in told for line in narrator.lines(100.0, event)] == []
    assert [*narrator.overdue(101.0)] == []
    [line] = narrator.overdue(200.0)
    assert line.text == "tokens 1 to 3 removed (on schedule), optimizer reset"
    assert line.step == 3


def test_other_news_come_after_the_removals_before_them() -> None:
    narrator = Narrator(RunSummary())
    assert not [
        *narrator.lines(
            1.0, TokenRemoved(step=5, before=0, stage=1, cause="on schedule", everything=False)
        )
    ]
    lines = [line.text for line in narrator.lines(1.1, Warned(step=6, message="look"))]
    assert lines == ["token 1 removed (on schedule)", "look"]


def test_removed_steps_are_told_as_steps() -> None:
    narrator = Narrator(RunSummary())
    removed = TokenRemoved(
        step=5, before=0, stage=2, cause="on schedule", everything=False, unit="step"
    )
    assert not [*narrator.lines(1.0, removed)]
    [line] = narrator.flush()
    assert line.text == "reasoning steps 1 to 2 removed (on schedule)"


def test_what_a_student_answers_is_told_as_such() -> None:
    """After a resume too, whose process did not see the training begin."""
    begun = PhaseBegan(
        step=5,
        phase="student",
        number=2,
        phases=4,
        title="mind-reading student",
        unit="nats",
        parameters=100,
        steps_per_epoch=10,
    )
    narrator = Narrator(RunSummary.of([(1.0, STARTED), (2.0, begun)]))
    [line] = narrator.lines(3.0, evaluated(9, 0.5, stage=8, implicit=True))
    assert line.text.endswith("examples, reading the teacher's thoughts")


def test_removals_of_another_cause_have_their_own_line() -> None:
    narrator = Narrator(RunSummary())
    assert not [
        *narrator.lines(
            1.0, TokenRemoved(step=5, before=0, stage=1, cause="on schedule", everything=False)
        )
    ]
    lines = [
        *narrator.lines(
            1.1, TokenRemoved(step=6, before=1, stage=4, cause="by command", everything=False)
        )
    ]
    lines += narrator.overdue(99.0)
    assert [line.text for line in lines] == [
        "token 1 removed (on schedule)",
        "tokens 2 to 4 removed (by command)",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.6, "1 min 0 s"),
        (3 * 3600 + 65, "3 h 1 min"),
        (47.6 * 3600, "47 h 36 min"),
        (5 * 86400 + 7200, "5 d 2 h"),
    ],
)
def test_durations_have_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words

"""Whatever a run's files say, no command hands a terminal a control character of theirs."""

import ast
import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest

import icot_tui
from icot_tui.cli.app import run
from icot_tui.config.sections import DataConfig
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.engine.journal.events import CommandDone, ExampleShown, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal, encode_line
from icot_tui.runs.notes import Notes, write_notes
from tests.events import trained
from tests.tiny import tiny, train_new

MARKS = ("\x1b", "\x07", "\x9b", "\x7f")
WRITTEN = "\x1b]\x07"
HOSTILE = "\x1b[66;66mred \x1b]0;owned\x07 \x9b31m \x7f \u202eback\u2028 \x00"
OURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and cursor movements, which rich and Textual write."""
RAW = (b"\x1b[66;66m", b"\x1b]", b"\x07", b"\x00", b"\x7f", *map(str.encode, "\x9b\u202e\u2028"))
COMMANDS = (
    *("runs list", "runs list --json", "runs show RUN", "runs show RUN --json"),
    *("runs compare RUN RUN", "runs export RUN", "runs export RUN --format card"),
    *("runs query RUN loss", "runs query RUN loss/", "runs plot RUN", "runs plot RUN --y parts"),
    *("runs note RUN", "config show FILE"),
    *("attach RUN --once", "watch RUN", "resume RUN", "resume RUN --json", "data show HOSTILE.txt"),
    *(
        "eval NOWHERE",
        "ask NOWHERE 1*2",
        "calibrate NOWHERE",
        "probe NOWHERE",
        "train FILE.NOWHERE",
        "runs show NOWHERE",
    ),
    *("data stats HOSTILE.txt", "data stats HOSTILE.txt --json", "config check FILE"),
    *("train FILE SHORT", "train FILE SHORT --json", "train FILE --name NOWHERE"),
    *("ask RUN QUESTION", "ask RUN QUESTION --json", "ask RUN --file HOSTILE.txt"),
    *(
        "eval RUN --no-speed",
        "eval RUN --no-speed --json",
        "eval RUN --data HOSTILE.txt --no-speed",
    ),
    *("probe RUN SOME", "probe RUN SOME --json", "probe RUN SOME --target NOWHERE"),
    *("ctl pause --run RUN", "ctl rollback --to NOWHERE --run RUN", "ctl pause --run NOWHERE"),
    *("calibrate RUN", "play NOWHERE", "launch FILE.NOWHERE", "attach NOWHERE", "watch NOWHERE"),
    *("export RUN --to hf --out NEW", "export NOWHERE --to hf --out NEW", "import NOWHERE"),
    *("study NOWHERE", "bench NOWHERE", "doctor"),
    *("data convert HOSTILE.txt --to jsonl --out NEW", "data convert NOWHERE --to text --out NEW"),
    *("data make NOWHERE --out NEW", "data show NOWHERE", "data stats NOWHERE"),
    *(
        "runs tag RUN NOWHERE",
        "runs tag NOWHERE a",
        "runs rename NOWHERE NEW",
        "runs delete NOWHERE",
    ),
    *("runs restore NOWHERE", "config check NOWHERE", "config new NOWHERE"),
)

REFUSED = ("runs query RUN loss/", "ctl pause", "calibrate RUN", "export RUN")
"""Of a run that has ended and has few examples."""
NAME = HOSTILE.removesuffix("\x00")
"""What a folder can be called."""


def example(number):
    """A line of data: its chain of thought is to be read from the number, its answer is learnt."""
    return f"{number:03} {HOSTILE}||{MARKS[number % len(MARKS)]} {HOSTILE} #### {WRITTEN}\n"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A finished run of which every text is hostile, its tokens, its data and its path, too."""
    runs = tmp_path_factory.mktemp("runs") / NAME / "runs"
    runs.mkdir(parents=True)
    (runs / "hostile.txt").write_text("".join(map(example, range(120))))
    data = DataConfig(train=str(runs / "hostile.txt"), validation="10%")
    learnt = {"schedule": "stages", "stages": [{"stage": 30, "steps": 1}], "reset_optimizer": False}
    config = tiny(description=NAME, curriculum=learnt, train={"learning_rate": 3e-2})
    folder = train_new(runs, config.model_copy(update={"data": data}))
    write_notes(folder, Notes(("tag",), HOSTILE))
    journal = Journal(folder.journal)
    journal.write(Warned(step=4, message=HOSTILE))
    journal.write(trained(5, loss_parts={HOSTILE: 0.5}))
    journal.write(CommandDone(step=4, id="1", command=HOSTILE, done=True, effect=HOSTILE))
    parts = {"input": [HOSTILE], "cot": [HOSTILE], "answer": [HOSTILE]}
    journal.write(ExampleShown(step=0, **parts, removal_order=[0], removed_at=[]))
    journal.write(RunEnded(step=4, reason=HOSTILE, finished=True))
    journal.close()
    texts = dict.fromkeys(("input", "cot", "answer", "model_cot", "model_answer"), HOSTILE)
    facts = {"index": 0, "kind": "random", "correct": False, "loss": 1.0, "confidence": (0.5,)}
    for path in folder.samples.iterdir():
        write_samples(path, [Sample(**facts, **texts, tokens=(HOSTILE,))])
    assert list_checkpoints(folder.checkpoints)
    return folder


def printed(arguments, terminal):
    """What a command writes to a terminal, or to a pipe."""
    if terminal:
        child, end = pty.fork()
    else:
        end, into = os.pipe()
        child = os.fork()
    if child == 0:
        if not terminal:
            os.dup2(into, 1)
            os.dup2(into, 2)
        os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="40")
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(n, "rww"[n], closefd=False) for n in range(3)
        )
        run(arguments)
        sys.stdout.flush()
        os._exit(0)
    if not terminal:
        os.close(into)
    found = bytearray()
    try:
        while part := os.read(end, 1 << 16):
            found += part
    except OSError:  # a terminal's end
        pass
    os.close(end)
    os.waitpid(child, 0)
    return bytes(found)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_hands_hostile_text_to_a_terminal(hostile, command, tmp_path):
    places = {
        "NEW": str(tmp_path / "new"),
        "RUN": str(hostile.path),
        "FILE": str(hostile.config),
        "HOSTILE.txt": str(hostile.path.parent / "hostile.txt"),
        "QUESTION": f"001 {HOSTILE}",
        "NOWHERE": NAME,
        "FILE.NOWHERE": f"{NAME}.toml",
    }
    command = command.replace("SHORT", "--set train.max_steps=2")
    command = command.replace("SOME", "--examples 100 --no-patch")
    arguments = [places.get(word, word) for word in command.split()]
    if command.startswith(("runs list", "runs restore", "train")):
        arguments += ["--runs", str(hostile.path.parent)]
    found = printed(arguments, terminal=True)
    assert found
    assert not [mark for mark in RAW if mark in found], found
    left = OURS.sub(b"", found)
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", left), found
    assert b"unexpected" not in found
    refused = "NOWHERE" in command or command.startswith(REFUSED)
    assert (b"error: " in found) == refused, found


def test_a_card_in_a_pipe_is_exact(hostile):
    command = ["runs", "export", str(hostile.path), "--format", "card"]
    assert NAME.encode() in printed(command, terminal=False)


def test_what_a_model_writes_is_exact_in_json(hostile):
    command = ["ask", str(hostile.path), f"001 {HOSTILE}", "--json"]
    (answer,) = json.loads(printed(command, terminal=False))["answers"]
    assert answer["answer"] == WRITTEN, answer


def test_a_journal_may_be_printed(hostile):
    content = hostile.journal.read_bytes()
    assert not [mark for mark in RAW if mark in content]
    line = encode_line(1.0, Warned(step=1, message=f"olé {HOSTILE}"))
    assert "olé" in line.decode() and not [mark for mark in RAW if mark in line]


@pytest.mark.slow
def test_all_that_is_printed_goes_through_the_gate():
    """`say`, `hand_over` and `console` alone write to the standard streams."""
    package, found = Path(icot_tui.__file__).parent, []
    allowed = {"output.py", "cli/console.py", "cli/printer.py"}
    for path in sorted(package.rglob("*.py")):
        name = str(path.relative_to(package))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name not in allowed:
                called = ast.unparse(node.func)
                text = called in ("print", "Console", "sys.stdout.write", "sys.stderr.write")
                if text or called in ("traceback.print_exc", "sys.stdout.buffer.write"):
                    found.append(f"{name}: {called}")
    assert found == []

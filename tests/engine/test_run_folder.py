import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from icot_tui.engine.journal.events import Paused
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import LATEST, RunFolder
from icot_tui.errors import UserError
from icot_tui.files import write_atomically

HOLDER = """
import sys, time
from pathlib import Path
from icot_tui.engine.run_folder import RunFolder

folder = RunFolder(Path(sys.argv[1]))
folder.lock()
print("locked", flush=True)
time.sleep(60)
"""


def test_names_are_numbered_and_the_last_is_the_newest(tmp_path: Path) -> None:
    names = [RunFolder.create(tmp_path, "run", "text").name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]
    assert RunFolder.find(tmp_path, None).name == "run-3"
    assert RunFolder.find(tmp_path, "run").config.read_text() == "text"
    assert RunFolder.find(tmp_path / "other", str(tmp_path / "run")).name == "run"


def test_a_run_named_like_the_pointer_of_earlier_versions(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, LATEST, "").name == "latest-2"
    assert RunFolder.find(tmp_path, None).name == "latest-2"


def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the run folder"):
        RunFolder.create(tmp_path / "file", "run", "")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError, match="No space left"):
        RunFolder.create(tmp_path / "runs", "run", "text")
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_newest_is_what_began_last_whatever_the_files_times(tmp_path: Path) -> None:
    for name, began in (("second", 2000.5), ("third", 3000), ("first", 1000.0)):
        folder = RunFolder.create(tmp_path, name, "")
        folder.journal.write_text(f'{{"time":{began},"event":"RunStarted","step":0}}\n')
        (tmp_path / LATEST).write_text("first\n")  # as earlier versions had it
    damaged = RunFolder.create(tmp_path, "damaged", "")
    damaged.journal.write_text('{"time":tomorrow,"event":"RunStarted"}\n')
    os.utime(damaged.config, (1500, 1500))
    shutil.copytree(tmp_path, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy" / "damaged" / "config.toml", (1500, 1500))
    for runs in (tmp_path, tmp_path / "copy"):
        assert [run.name for run in RunFolder.all(runs)] == ["third", "second", "damaged", "first"]
        assert RunFolder.find(runs, None).name == "third"
    RunFolder.create(tmp_path, "new", "")  # nothing is journaled yet
    assert RunFolder.find(tmp_path, None).name == "new"


@pytest.mark.parametrize("pointer", ["gone", "", "\xff"])
def test_a_pointer_that_leads_nowhere(tmp_path: Path, pointer: str) -> None:
    RunFolder.create(tmp_path, "run", "")
    (tmp_path / LATEST).write_bytes(pointer.encode("latin-1"))
    assert RunFolder.find(tmp_path, None).name == "run"
    (tmp_path / LATEST).unlink()
    assert RunFolder.find(tmp_path, None).name == "run"


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no run in .* yet"):
        RunFolder.find(tmp_path, None)
    RunFolder.create(tmp_path, "here", "")
    for name in ("xyz", ""):
        with pytest.raises(UserError, match=r"known runs: here\)"):
            RunFolder.find(tmp_path, name)
    with pytest.raises(UserError, match=r"there is no run 'hre' in .*; did you mean here\?"):
        RunFolder.find(tmp_path, "hre")
    for number in range(7):
        RunFolder.create(tmp_path, f"run-{number}", "")
    with pytest.raises(UserError, match=r"known runs: .*, and 3 more\)"):
        RunFolder.find(tmp_path, "xyz")


def test_one_trainer_at_a_time(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", "")
    assert not folder.is_locked()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    assert folder.is_locked()
    with pytest.raises(UserError, match=f"being trained already by process {holder.pid} on"):
        folder.lock()
    holder.kill()
    holder.communicate()
    assert not folder.is_locked() and folder.locked_since() is None
    began = time.time()
    folder.lock()
    assert round(began, 3) <= (folder.locked_since() or 0) <= round(time.time(), 3)
    (folder.path / "lock").write_text("of an earlier version")
    assert folder.locked_since() == 0
    folder.unlock()
    assert folder.holder() is None


def test_a_line_of_the_moment_of_locking_is_not_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, "run", "")
    monkeypatch.setattr(time, "time", lambda: 1000.00049)
    folder.lock()
    line = json.loads(encode_line(time.time(), Paused(step=0, reason="")))
    since = folder.locked_since()
    assert since is not None and line["time"] >= since
    folder.unlock()


@pytest.mark.slow
def test_looking_at_the_lock_keeps_no_trainer_out(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run", "")
    (folder.path / "lock").touch()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            folder.is_locked()

    viewers = [threading.Thread(target=look) for _ in range(3)]
    for viewer in viewers:
        viewer.start()
    try:
        for _ in range(50):
            folder.lock()
            folder.unlock()
    finally:
        done.set()
        for viewer in viewers:
            viewer.join()


def test_a_lock_that_cannot_be_written_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot lock run gone: No such file"):
        RunFolder(tmp_path / "gone").lock()


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "olé")
    assert path.read_text(encoding="utf-8") == "olé"

    def refuse(source: Path, target: Path, **folders: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "olé"
    assert list(tmp_path.iterdir()) == [path]

"""Damaged checkpoints and full disks: the run goes on from what is whole."""

import os
import resource
import shutil
import subprocess
import threading
import time

import pytest
import torch

from icot_tui.engine.checkpoints.checkpoint import (
    MANIFEST,
    list_checkpoints,
    save_tensors,
    verify,
    write_checkpoint,
)
from icot_tui.engine.journal.events import (
    CheckpointFailed,
    Paused,
    StepsTrained,
    Unpaused,
)
from icot_tui.engine.loop.commands import (
    CommandQueue,
    Evaluate,
    Pause,
    Resume,
    Rollback,
    Save,
    Stop,
)
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.new_run import create_run
from icot_tui.runs.opening import open_checkpoint
from tests.tiny import assert_same, final_tensors, news, read_lines, tiny, train, train_new

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train_new(tmp_path_factory.mktemp("whole"), tiny())


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replace_by_a_pickle(path):
    path.unlink()
    torch.save({"weights": 1}, path)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, replace_by_a_pickle, remove])
@pytest.mark.parametrize(
    "file", ["model.safetensors", "optimizer.safetensors", "state.json", MANIFEST]
)
def test_damaged_checkpoint_is_passed_over(whole, tmp_path, damage, file):
    if file == MANIFEST and damage is flip_a_bit:
        pytest.skip("a flipped bit of white space leaves a manifest as good as it was")
    shutil.copytree(whole.path, tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    folder = RunFolder(tmp_path / "copy")
    newest = list_checkpoints(folder.checkpoints)[-1]
    damage(newest.path / file)
    assert verify(newest.path) is not None
    train(folder)
    lines = read_lines(folder)
    warnings = [line["message"] for line in lines if line["event"] == "Warned"]
    assert any(newest.name in message for message in warnings)
    assert lines[-1]["finished"]
    assert_same(final_tensors(folder), final_tensors(whole))


def test_damaged_checkpoint_is_not_opened(whole, tmp_path):
    shutil.copytree(whole.path / "checkpoints", tmp_path / "checkpoints")
    newest = list_checkpoints(tmp_path / "checkpoints")[-1]
    flip_a_bit(newest.path / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors was changed or damaged"):
        open_checkpoint(newest.path)
    assert open_checkpoint(tmp_path).path == list_checkpoints(tmp_path / "checkpoints")[-2].path


def test_a_checkpoint_without_its_manifest_is_told_and_not_opened(whole, tmp_path):
    run = RunFolder(shutil.copytree(whole.path, tmp_path / "run"))
    *_, before, newest = list_checkpoints(run.checkpoints)
    (newest.path / MANIFEST).unlink()
    opened = open_checkpoint(run.path)
    assert opened.path == before.path
    assert f"checkpoint {newest.name} is not used: {MANIFEST} is missing" in opened.notes
    with pytest.raises(UserError, match=f"cannot be used: {MANIFEST} is missing"):
        open_checkpoint(newest.path)


def test_damaged_checkpoint_is_not_gone_back_to(whole, tmp_path):
    commands, damaged = CommandQueue(), tmp_path / "tiny/checkpoints/step-00000007"

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 12:
            flip_a_bit(damaged / "model.safetensors")
            commands.put(Rollback(step=7))

    folder = train_new(tmp_path, tiny(), commands, listen)
    (done,) = [line for line in read_lines(folder) if line["event"] == "CommandDone"]
    assert not done["done"] and "damaged" in done["effect"]
    assert_same(final_tensors(folder), final_tensors(whole))


def test_damaged_checkpoints_do_not_take_the_places_of_whole_ones(tmp_path):
    config = tiny(checkpoints={"keep": 2, "every_steps": 2, "keep_best": False})
    folder = train_new(tmp_path, config)
    for checkpoint in list_checkpoints(folder.checkpoints):
        flip_a_bit(checkpoint.path / "model.safetensors")
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 12:
            commands.put(Stop())

    train(folder, commands, listen)
    kept = list_checkpoints(folder.checkpoints)
    whole_ones = [one.name for one in kept if verify(one.path) is None]
    assert whole_ones == ["step-00000010", "step-00000012"]
    train(folder)
    assert read_lines(folder)[-1]["finished"]


def test_retention_lives_with_a_state_that_cannot_be_read(tmp_path):
    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 12:
            (list_checkpoints(tmp_path / "tiny/checkpoints")[0].path / "state.json").write_text("{")

    config = tiny(checkpoints={"keep": 2, "every_steps": 2, "keep_every_stages": 2})
    folder = train_new(tmp_path, config, listen=listen)
    assert read_lines(folder)[-1]["finished"]


def test_what_kills_left_half_written_is_swept_away(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    folder = RunFolder(tmp_path / "copy")
    for name in (".latest.123", ".best.123"):
        (folder.checkpoints / name).write_text("step-0")
    for name in (".writing-step-00000030", ".deleting-step-00000002"):
        (folder.checkpoints / name).mkdir()
    train(folder)
    assert not list(folder.checkpoints.glob(".*"))


def test_nothing_is_a_pickle(whole):
    for checkpoint in list_checkpoints(whole.checkpoints):
        names = {path.suffix for path in checkpoint.path.iterdir()}
        assert names <= {".json", ".safetensors", ".txt", ".jinja"}


def test_retention(tmp_path):
    config = tiny(checkpoints={"keep": 2, "every_steps": 1, "keep_every_stages": 3})
    folder = train_new(tmp_path, config)
    checkpoints = list_checkpoints(folder.checkpoints)
    assert {checkpoint.step for checkpoint in checkpoints} >= {29, 30}
    assert {0, 3, 6} <= {checkpoint.stage for checkpoint in checkpoints}
    best = max(
        (line for line in news(folder) if line["event"] == "Evaluated"),
        key=lambda line: (line["implicit"], line["exact_match"], -line["step"]),
    )
    assert best["step"] in {checkpoint.step for checkpoint in checkpoints}
    assert len(checkpoints) <= 2 + 3 + 1
    pointer = (folder.checkpoints / "latest").read_text().strip()
    assert pointer == checkpoints[-1].name


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 4 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mount)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.parametrize("fill", ["checkpoint", "journal"])
def test_full_disk_pauses_the_run_until_there_is_room(small_disk, whole, monkeypatch, fill):
    monkeypatch.setattr("icot_tui.engine.loop.control.RETRY_SECONDS", 0.1)
    folder = create_run(tiny(), small_disk)
    ballast = small_disk / "ballast"
    heard = []

    def listen(event):
        heard.append(event)
        if isinstance(event, StepsTrained) and event.step == 12:
            with open(ballast, "wb") as file:
                try:
                    while fill == "journal":
                        os.write(file.fileno(), b"0" * 4096)
                    os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 65536)
                except OSError:
                    pass
        if isinstance(event, Paused):
            threading.Timer(0.3, ballast.unlink).start()

    ended = train(folder, listen=listen)
    assert ended.finished
    kinds = [type(event) for event in heard]
    assert CheckpointFailed in kinds
    assert kinds.index(Paused) < kinds.index(Unpaused)
    assert not list(folder.checkpoints.glob(".*"))
    assert_same(final_tensors(folder), final_tensors(whole))
    left_out = ("CheckpointFailed", "Paused", "Unpaused", "Warned")
    assert news(folder, left_out) == news(whole, left_out)


def test_stop_while_the_disk_is_full(small_disk):
    folder = create_run(tiny(), small_disk)
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 12:
            with open(small_disk / "ballast", "wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 65536)
        if isinstance(event, Paused):
            commands.put(Stop())

    ended = train(folder, commands, listen)
    assert not ended.finished and "writing failed" in ended.reason
    (small_disk / "ballast").unlink()
    assert train(folder).finished


def test_a_disk_that_refuses_in_the_midst_of_a_file_is_waited_for_like_a_full_one(tmp_path):
    """What writes tensors has errors of its own for it."""
    folder, allowed = create_run(tiny(), tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_files(beside):
        save_tensors({"weight": torch.zeros(100_000)}, beside / "model.safetensors")

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, allowed[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(folder.checkpoints, "step-00000001", {}, write_files, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert list(folder.checkpoints.iterdir()) == []


def test_pauses_are_no_training_time(tmp_path):
    """Whatever is done meanwhile: saving and evaluating stop the clock by themselves."""
    commands = CommandQueue()
    waited = 0.6

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 12:
            commands.put(Pause())
        if isinstance(event, Paused):
            threading.Timer(
                waited, lambda: [commands.put(wish) for wish in (Save(), Evaluate(), Resume())]
            ).start()

    heard = []
    began = time.perf_counter()
    train_new(tmp_path, tiny(), commands, lambda event: (heard.append(event), listen(event)))
    whole = time.perf_counter() - began
    seconds = [event.seconds for event in heard if isinstance(event, StepsTrained)]
    assert min(seconds) > 0
    assert sum(seconds) <= whole - waited


def test_second_trainer_is_kept_out(tmp_path):
    folder = create_run(tiny(train={"max_steps": 100000}), tmp_path)
    commands = CommandQueue()
    first = threading.Thread(target=train, args=(folder, commands))
    first.start()
    while not folder.is_locked():
        time.sleep(0.01)
    with pytest.raises(UserError, match="is being trained already"):
        train(RunFolder(folder.path))
    commands.put(Stop(save=False))
    first.join()
    assert not folder.is_locked()

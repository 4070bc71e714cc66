"""Encoded data is cached, and the cache is safe against whatever happens to the disk."""

import errno
import json
import os
import resource
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icot_tui.config import DataConfig
from icot_tui.data import encoded, load
from icot_tui.data.cache import MANIFEST
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from icot_tui.data.load import load_data
from icot_tui.data.splits import open_source
from icot_tui.data.tokenizing import character_tokenizer
from icot_tui.errors import UserError
from tests.data.loading import config, entries, nothing_is_built, write


def test_warnings_come_from_the_cache_too(tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", "a||z #### 1", "b||z #### 2", "b||y #### 2")
    validation = write(tmp_path / "validation.txt", "b||z #### 2", "c||z #### 3")
    wanted = DataConfig(train=train, validation=validation, train_examples=10)
    for _ in range(2):
        few, repeats, overlap = load_data(wanted).warnings
        assert "only 3 examples, not the 10" in few
        assert "train.txt: 1 inputs repeat" in repeats
        assert "1 of 2 validation examples are also in train" in overlap


def test_second_time_nothing_is_built(cache: Path) -> None:
    first = load_data(config())
    with nothing_is_built():
        second = load_data(config())
    for name in ("train", "validation", "test"):
        for part in encoded.PARTS:
            ours, theirs = (getattr(getattr(data, name), part) for data in (first, second))
            np.testing.assert_array_equal(ours, theirs)
            assert isinstance(theirs.base, np.memmap)
    assert first.fingerprint == second.fingerprint == entries(cache)[0].name
    assert first.tokenizer.get_vocab() == second.tokenizer.get_vocab()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"train_examples": 501},
        {"validation_examples": 101},
        {"test_examples": 0},
        {"options": {"digits": "2x3"}},
        {"options": {"digits": "2x2", "format": "tree"}},
        {"task": "modular", "options": {}},
    ],
)
def test_what_matters_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert load_data(config(**change)).fingerprint != load_data(config()).fingerprint


def test_the_same_options_written_otherwise_share_an_entry() -> None:
    load_data(config(options={"digits": "2x2"}))
    with nothing_is_built():
        load_data(config(options={"digits": ["2x2"], "format": "long"}))


def test_tokenizer_and_file_content_are_in_the_fingerprint(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "1||2 #### 3")
    wanted = DataConfig(train=path, validation=path)
    seen = {load_data(wanted).fingerprint}
    for number, alphabet in enumerate(["123", "1234"]):
        folder = tmp_path / f"tokenizer-{number}"
        character_tokenizer(alphabet).save_pretrained(folder)
        seen.add(load_data(wanted.model_copy(update={"tokenizer": str(folder)})).fingerprint)
    write(tmp_path / "a.txt", "1||2 #### 4")
    seen.add(load_data(wanted).fingerprint)
    assert len(seen) == 4
    moved = tmp_path / "moved.txt"
    shutil.copy(path, moved)
    with nothing_is_built():
        load_data(DataConfig(train=str(moved), validation=str(moved)))


def truncate(entry: Path) -> None:
    os.truncate(entry / "train-tokens.npy", 1000)


def remove_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def spoil_manifest(entry: Path) -> None:
    (entry / MANIFEST).write_text('{"sizes": 3}')


def remove_tokenizer(entry: Path) -> None:
    (entry / load.TOKENIZER_FOLDER / "tokenizer.json").unlink()


def grow(entry: Path) -> None:
    with open(entry / "validation-starts.npy", "ab") as file:
        file.write(b"\0")


def become_a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("no folder")


@pytest.mark.parametrize(
    "damage",
    [truncate, remove_manifest, spoil_manifest, remove_tokenizer, grow, become_a_file],
)
def test_a_damaged_entry_is_built_again(cache: Path, damage: Any) -> None:
    before = load_data(config())
    tokens = np.array(before.train.tokens)
    (entry,) = entries(cache)
    damage(entry)
    after = load_data(config())
    np.testing.assert_array_equal(after.train.tokens, tokens)
    assert entries(cache) == [entry]


def test_what_a_killed_process_left_is_cleared(cache: Path) -> None:
    load_data(config())
    (entry,) = entries(cache)
    shutil.move(entry, cache / f"{entry.name}.0123.part")
    load_data(config())
    assert entries(cache) == [entry]


def test_many_at_once_build_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = load._build
    monkeypatch.setattr(load, "_build", lambda *given: (built.append(1), build(*given)))
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(load_data(config()).fingerprint))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(built) == 1


def test_without_locks_the_first_to_finish_wins(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    build = load._build

    def slow_build(folder: Path, *given: Any) -> None:
        build(folder, *given)
        monkeypatch.setattr(load, "_build", build)
        load_data(config())  # another process comes in between

    monkeypatch.setattr(load, "_build", slow_build)
    assert len(load_data(config()).train) == 500
    assert len(entries(cache)) == 1


def test_a_full_disk_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoded, "_save", full)
    with pytest.raises(UserError, match=r"no room is left .* ICOT_TUI_CACHE") as error:
        load_data(config())
    assert error.value.exit_status == 1
    assert entries(cache) == []


@pytest.mark.parametrize("size", [100, 3000, 12_000])
def test_a_limit_on_file_sizes_leaves_nothing(cache: Path, size: int) -> None:
    """A real write error, in the tokenizer's file, the tokens or the borders."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        with pytest.raises(UserError, match="cannot be written to"):
            load_data(config(train_examples=2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert entries(cache) == []


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cannot be written to .*ICOT_TUI_CACHE"):
        load_data(config())


def test_a_bad_line_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    good = [f"{n}||z #### {n}" for n in range(40)]
    path = write(tmp_path / "train.txt", *good, "no example")
    with pytest.raises(UserError, match=r"train\.txt, line 41: '\|\|' is missing"):
        load_data(DataConfig(train=path, validation=path))
    assert entries(cache) == []


def test_pieces_of_a_split_become_one(tmp_path: Path) -> None:
    source = open_source(config(options={"digits": "2x2,3x3"}, tokenizer="character"))
    encoder = Encoder(character_tokenizer(source.alphabet()))
    text = b"".join(chunk.text for chunk in source.chunks("train"))
    whole = encoder.encode(Chunk(text, "", 1))
    lines = text.splitlines(keepends=True)
    parts = [encoder.encode(Chunk(b"".join(lines[i : i + 37]), "", 1)) for i in range(0, 500, 37)]
    assert encoded.write_split(tmp_path, "train", iter(parts), encoder.dtype) == 500
    joined = encoded.read_split(tmp_path, "train")
    for part in encoded.PARTS:
        np.testing.assert_array_equal(getattr(joined, part), getattr(whole, part))


def test_the_manifest_is_plain(cache: Path) -> None:
    load_data(config())
    manifest = json.loads((entries(cache)[0] / MANIFEST).read_text())
    assert manifest["names"] == ["train", "validation", "test"]
    assert "train-tokens.npy" in manifest["sizes"]

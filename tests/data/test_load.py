"""From a config to splits: disjoint, cached, and safe against whatever happens to the disk."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icot_tui.config import DataConfig
from icot_tui.data import encoded, load
from icot_tui.data.cache import MANIFEST
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder, decode_example
from icot_tui.data.examples import Chunk, read_lines
from icot_tui.data.load import Data, load_data
from icot_tui.data.splits import open_source
from icot_tui.data.tokenizing import character_tokenizer
from icot_tui.errors import UserError
from tests.shared import shared
from tests.tiny import tiny, train_new


def config(**changes: Any) -> DataConfig:
    defaults: dict[str, Any] = {
        "task": "multiplication",
        "options": {"digits": "2x2"},
        "train_examples": 500,
        "validation_examples": 100,
        "test_examples": 50,
    }
    return DataConfig(**{**defaults, **changes})


def inputs(data: Data, name: str) -> list[str]:
    split: EncodedSplit = getattr(data, name)
    return [decode_example(data.tokenizer, split, i).input for i in range(len(split))]


def write(path: Path, *lines: str) -> str:
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


@contextmanager
def nothing_is_built() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_build", lambda *_: pytest.fail("built again"))
        yield


def test_splits_are_disjoint() -> None:
    data = load_data(config(train_examples=None))
    parts = [inputs(data, name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts[1:]] == [100, 50]
    assert 7948 <= len(parts[0]) <= 7950  # a border may leave a problem's mirror over
    assert len(set().union(*parts)) == sum(map(len, parts))
    assert data.task is not None
    assert data.separator_id == data.tokenizer.eos_token_id
    assert data.warnings == []


@pytest.mark.parametrize("digits", ["2x2", "9x9", "2x2,6x6"])
def test_held_out_examples_do_not_depend_on_the_training_set(digits: str) -> None:
    few = load_data(config(options={"digits": digits}, train_examples=3))
    many = load_data(config(options={"digits": digits}, train_examples=900))
    assert inputs(few, "validation") == inputs(many, "validation")
    assert inputs(few, "test") == inputs(many, "test")
    assert inputs(few, "train") == inputs(many, "train")[:3]
    assert not set(inputs(many, "train")) & set(inputs(many, "validation") + inputs(many, "test"))
    other = load_data(config(options={"digits": digits}, train_examples=3, seed=1))
    assert inputs(few, "validation") != inputs(other, "validation")


def up_to_order(inputs: list[str]) -> set[str]:
    """`2 1 * 4 3` and `4 3 * 2 1` are one."""
    return {symbol.join(sorted(x.split(symbol))) for x in inputs for symbol in (" * ", " + ")}


@pytest.mark.parametrize(
    ("task", "options", "train"),
    [
        ("multiplication", {"digits": "2x2"}, None),
        ("multiplication", {"digits": "2x2"}, 7000),
        ("multiplication", {"digits": "2x1,1x2,2x2"}, None),
        ("multiplication", {"digits": "1x2,4x4,2x1"}, 5000),
        ("addition", {"operands": 3, "digits": 1}, 400),
    ],
)
def test_no_split_holds_a_problem_of_another_in_another_order(
    task: str, options: dict[str, object], train: int | None
) -> None:
    data = load_data(config(task=task, options=options, train_examples=train))
    parts = [inputs(data, name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts[1:]] == [100, 50]
    if train is not None:
        assert len(parts[0]) == train
    ours, *others = map(up_to_order, parts)
    assert not ours & others[0]
    assert not ours & others[1]
    assert not others[0] & others[1]


def test_orders_that_nothing_is_left_of() -> None:
    """Nothing but 1 + 1 + 1, ..., 9 + 9 + 9 is alone in its group, so some problem is left over."""
    with pytest.raises(UserError, match="too few, because what one split holds"):
        load_data(config(task="addition", options={"operands": 3, "digits": 1}, train_examples=579))


def test_what_does_not_commute_is_left_alone() -> None:
    data = load_data(
        config(task="modular", options={"steps": 2, "modulus": 7}, train_examples=None)
    )
    assert len(data.train) == 7**3 * 9 - 150


def test_real_files(gpt2: Any) -> None:
    folder = shared("data", "gpt2_tokenizer")
    train = shared("data", "gsm8k", "valid.txt")
    validation = shared("data", "4_by_4_mult", "valid.txt")
    data = load_data(
        DataConfig(train=str(train), validation=str(validation), tokenizer=str(folder))
    )
    for split, path in ((data.train, train), (data.validation, validation)):
        examples = [example for _, example in read_lines(path)]
        assert [decode_example(data.tokenizer, split, i) for i in range(len(split))] == examples
    assert data.validation.max_cot_tokens == 47
    assert data.test is None
    assert data.task is None
    assert data.warnings == []


def test_warnings_come_from_the_cache_too(tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", "a||z #### 1", "b||z #### 2", "b||y #### 2")
    validation = write(tmp_path / "validation.txt", "b||z #### 2", "c||z #### 3")
    wanted = DataConfig(train=train, validation=validation, train_examples=10)
    for _ in range(2):
        few, repeats, overlap = load_data(wanted).warnings
        assert "only 3 examples, not the 10" in few
        assert "train.txt: 1 inputs repeat" in repeats
        assert "1 of 2 validation examples are also in train" in overlap


def test_files_are_cut_to_the_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", *(f"{n}||z #### {n}" for n in range(30)))
    wanted = DataConfig(train=path, validation=path, train_examples=7, validation_examples=5)
    data = load_data(wanted)
    assert (len(data.train), len(data.validation)) == (7, 5)


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


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (config(train_examples=8000), "only 8100 distinct problems"),
        (config(validation_examples=8100, test_examples=0, train_examples=None), "only 8100"),
        (config(options={"digits": "9x9"}, train_examples=None), "data.train_examples is missing"),
        (config(task="nope"), "data.task 'nope' is not known"),
        (DataConfig(train="nowhere", validation="nowhere"), "nowhere does not exist"),
        (DataConfig(train="a", validation="b", test_examples=5), "data.test_examples is for"),
        (config(tokenizer="./nowhere"), "tokenizer folder ./nowhere does not exist"),
    ],
)
def test_refused(wanted: DataConfig, complaint: str, cache: Path) -> None:
    with pytest.raises(UserError) as error:
        load_data(wanted)
    assert complaint in str(error.value)
    assert not cache.exists() or entries(cache) == []


def test_only_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "", "  ")
    with pytest.raises(UserError, match="train file holds no examples"):
        load_data(DataConfig(train=path, validation=path))


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


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    program = (
        "import icot_tui.data.load, icot_tui.data.files, icot_tui.data.files, icot_tui.cli.data, "
        "sys; print({'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


SUMS = [f"{a} + {b}||{a}, {b} #### {a + b}" for a in range(20) for b in range(20)]


def test_a_share_of_the_training_data_is_held_out(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.txt", *SUMS, SUMS[0].replace("+", " +"))
    data = load_data(DataConfig(train=path, validation="10%"))
    parts = [{x.replace(" ", "") for x in inputs(data, name)} for name in ("train", "validation")]
    assert 38 <= len(data.validation) <= 42
    assert len(data.train) + len(data.validation) == len(SUMS) + 1, "nothing is left out"
    assert not parts[0] & parts[1], "what differs in blanks alone stays together"
    few = load_data(DataConfig(train=path, validation="10%", validation_examples=5))
    assert len(few.validation) in (5, 6) and len(few.train) + len(few.validation) == 401
    assert set(inputs(few, "validation")) <= set(inputs(data, "validation"))


def test_files_may_have_a_test_split(tmp_path: Path) -> None:
    train, held_out, test = (
        write(tmp_path / f"{name}.txt", *SUMS[begin : begin + 40])
        for name, begin in (("train", 0), ("validation", 40), ("test", 80))
    )
    chosen = DataConfig(train=train, validation=held_out, test=test)
    data = load_data(chosen)
    assert data.test is not None and len(data.test) == 40
    assert inputs(data, "test")[0] == "4 + 0"
    assert chosen.reported_split == "test"
    without = DataConfig(train=train, validation=held_out)
    assert load_data(without).test is None and without.reported_split == "validation"


@pytest.mark.parametrize("share", ["0%", "100%", "ten%", "-5%"])
def test_what_is_no_share_is_refused(share: str) -> None:
    with pytest.raises(ValueError, match="is no share"):
        DataConfig(train="train.txt", validation=share)


@pytest.mark.parametrize(
    ("train", "held_out", "count"),
    [
        ("1 2 * 3 4||1 #### 8 0 4", "1 2 * 3 4||2 #### 9", 1),
        ("12 * 34||1 #### 408", "1 2*3 4||1 #### 4 0 8", 1),
        ("1 2 * 3 4||1 #### 8 0 4", "21*43||1 #### 408", 1),
        ("12 * 34||1 #### 408", "21 * 43||1 #### 903", 0),
    ],
)
def test_overlap_is_counted_whatever_blanks_and_digit_order(
    train: str, held_out: str, count: int, tmp_path: Path
) -> None:
    files = write(tmp_path / "a.txt", train), write(tmp_path / "b.txt", held_out, *SUMS[:9])
    warnings = load_data(DataConfig(train=files[0], validation=files[1])).warnings
    assert (
        warnings
        == [
            "1 of 10 validation examples are also in train (the same input, or the same but for "
            "blanks and the order of digits): results on validation will look too good"
        ]
        * count
    )


def test_too_much_overlap_is_refused_unless_allowed(tmp_path: Path, cache: Path) -> None:
    train = write(tmp_path / "a.txt", *SUMS[:20])
    test = write(tmp_path / "b.txt", *SUMS[18:28])
    chosen: dict[str, Any] = {"train": train, "validation": train, "test": test}
    sections: dict[str, Any] = {"task": None, "options": {}, "train_examples": None}
    for folder in (tmp_path / "first", tmp_path / "from the cache"):
        with pytest.raises(UserError, match=r"2 of 10 test .* more than data.max_overlap = 0.1"):
            train_new(folder, tiny(data=sections | chosen))
    assert len(entries(cache)) == 1
    train_new(tmp_path, tiny(data=sections | chosen | {"max_overlap": 0.2}, train={"max_steps": 1}))
    warnings = load_data(DataConfig(**chosen)).warnings
    assert [warning.split(" examples")[0] for warning in warnings] == [
        "20 of 20 validation",  # the same file: on purpose
        "2 of 10 test",
        "2 of 10 test",
    ]

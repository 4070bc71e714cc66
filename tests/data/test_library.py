"""Datasets that the `datasets` library reads: on the hub, and folders made by `save_to_disk`."""

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_dataset

from icot_tui.cli.app import run
from icot_tui.config import DataConfig, check_run
from icot_tui.data.examples import Example, chunk_examples
from icot_tui.data.load import load_data
from icot_tui.data.reading import ExampleReader
from icot_tui.errors import UserError
from tests.tiny import train_new

ROWS = {
    "question": ["1?", "2?", "3?"],
    "steps": [["<<1=1>>"], ["<<2=1+1>>", "<<1+1=2>>"], ["<<3=3>>"]],
    "answer": [1, 2, 3],
}
EXAMPLES = [
    Example("1?", "<<1=1>>", "1"),
    Example("2?", "<<2=1+1>> <<1+1=2>>", "2"),
    Example("3?", "<<3=3>>", "3"),
]


def read(source: Path | str, split: str = "train") -> tuple[list[Example], list[str]]:
    reader = ExampleReader(str(source), split)
    examples = [one for chunk in reader.chunks() for _, one in chunk_examples(chunk)]
    return examples, reader.told()


def test_a_dataset_that_cannot_be_reached_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("icot_tui.data.library.HUB_SECONDS", 2)
    with pytest.raises(UserError, match="'icot-tui/is-not-there', split train, is not available"):
        read("hub:icot-tui/is-not-there")


def test_a_dataset_is_read_by_its_loader(tmp_path: Path) -> None:
    """The loader takes a folder for a name, so that the real one runs without a network."""
    rows = {"question": ["1?", "2?"], "steps": [["a"], ["b", "c"]], "answer": [1, 2]}
    pq.write_table(pa.table(rows), tmp_path / "train.parquet")
    pq.write_table(
        pa.table({key: part[:1] for key, part in rows.items()}), tmp_path / "test.parquet"
    )
    examples, told = read(f"hub:{tmp_path}")
    assert examples == [Example("1?", "a", "1"), Example("2?", "b c", "2")]
    assert "(train) is read as Coconut's JSON, a dataset: 2 examples, 1.5 steps" in told[0]
    assert len(read(f"hub:{tmp_path}@test")[0]) == 1
    chosen = DataConfig(train=f"hub:{tmp_path}", validation=f"hub:{tmp_path}@test", max_overlap=1)
    first, second = load_data(chosen), load_data(chosen)
    assert len(first.train) == 2 and first.fingerprint == second.fingerprint
    with pytest.raises(UserError, match="split validation, is not available"):
        load_data(DataConfig(train=f"hub:{tmp_path}", validation=f"hub:{tmp_path}"))


def test_parts_of_a_split_are_different_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader names the same files for all of them, and none for what it holds in memory."""
    rows = {"question": list("abcd"), "steps": [["s"]] * 4, "answer": list("abcd")}
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "set/train.parquet")
    whole = f"hub:{tmp_path}/set@train"
    for first, second in (("[:1]", "[1:]"), ("[:2]", "[2:]"), ("", "[3:]")):
        data = load_data(DataConfig(train=whole + first, validation=whole + second, max_overlap=1))
        assert len(data.train) == len(read(whole + first)[0])
        assert len(data.validation) == len(read(whole + second)[0])
    monkeypatch.setattr("datasets.config.IN_MEMORY_MAX_SIZE", 1 << 30)
    assert ExampleReader(f"{whole}[1:3]").files()


def test_numbers_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Of 32-bit floats and decimals Python makes 0.10000000149011612 and 0E-18."""
    answers = {
        pa.float32(): (["0.1", "16777216.0", "1e-10"], [0.1, 2.0**24, 1e-10]),
        pa.float16(): (["0.1", "0.3333", "2.0"], np.array([0.1, 1 / 3, 2], np.float16)),
        pa.decimal128(20, 18): (
            ["0.000000000000000000", "1.500000000000000000", "-0.000000000000000001"],
            [Decimal("0"), Decimal("1.5"), Decimal("-1e-18")],
        ),
        pa.float64(): (["0.1", "2.0", "1e+16"], [0.1, 2.0, 1e16]),
        pa.int64(): (["1", "2", "3"], [1, 2, 3]),
    }
    rows = {"question": list("abc"), "steps": [["s"]] * 3}
    for number, (kind, (expected, values)) in enumerate(answers.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = folder / "train.parquet"
        pq.write_table(pa.table(rows | {"answer": pa.array(values, kind)}), file)
        for source in (str(file), f"hub:{folder}@train"):
            assert [one.answer for one in read(source)[0]] == expected, (kind, source)
            changed = kind not in (pa.float64(), pa.int64())
            identity = str(ExampleReader(source, "train").identity())
            assert ("plain numbers" in identity) == changed, (kind, source)


@pytest.mark.parametrize(
    ("name", "content", "doubtful"),
    [
        ("train.csv", "question,cot,answer\nq,c,007\n", "the column answer of CSV files for int64"),
        ("train.csv", "question,cot,answer\nq,c,1.10\n", "answer of CSV files for float64"),
        ("train.csv", 'question,cot,answer\nq,c,"1,000"\n', ""),
        ("train.jsonl", '{"question": "q", "cot": "c", "answer": 1234567890123456789012}', "float"),
        ("train.jsonl", '{"question": "q", "cot": "c", "answer": 72}', ""),
        ("train.jsonl", '{"question": "q", "cot": "c", "answer": "007"}', ""),
    ],
)
def test_types_that_the_loader_guessed_are_told(
    name: str, content: str, doubtful: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    _, told = read(f"hub:{tmp_path}")
    assert len(told) == (2 if doubtful else 1) and doubtful in told[-1]


def test_types_that_were_guessed_before_a_dataset_was_saved_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("question,cot,answer\nq,c,007\n")
    load_dataset(str(tmp_path), split="train").save_to_disk(tmp_path / "saved")
    _, told = read(tmp_path / "saved")
    assert told[1].endswith("give the files themselves, of the hub downloaded ones")


def test_a_text_that_the_loader_took_for_a_date_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"question":"q","cot":"c","answer":"2020-01-01"}')
    with pytest.raises(UserError, match="row 1, column answer: it is a datetime, not text"):
        read(f"hub:{tmp_path}")


def test_a_saved_dataset(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    Dataset.from_dict(ROWS).save_to_disk(saved)
    examples, told = read(saved)
    assert examples == EXAMPLES
    assert told == [f"{saved} is read as Coconut's JSON, a saved dataset: 3 examples, 1.3 steps"]
    config = DataConfig(train=str(saved), validation=str(saved))
    first = load_data(config)
    shutil.copytree(saved, tmp_path / "copy")
    copy = str(tmp_path / "copy")
    assert load_data(DataConfig(train=copy, validation=copy)).fingerprint == first.fingerprint


def test_what_was_selected_and_formatted_is_read_as_plain_rows(tmp_path: Path) -> None:
    chosen = Dataset.from_dict(ROWS).select([2, 0]).with_format("torch", columns=["answer"])
    chosen.save_to_disk(tmp_path / "saved", num_shards=2)
    assert read(tmp_path / "saved")[0] == [EXAMPLES[2], EXAMPLES[0]]


def test_class_labels_are_read_by_name(tmp_path: Path) -> None:
    features = Features(
        {
            "question": Value("string"),
            "cot": Value("string"),
            "answer": ClassLabel(names=["no", "yes"]),
        }
    )
    rows = {"question": ["a", "b"], "cot": ["c", "d"], "answer": [1, 0]}
    Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    assert [example.answer for example in read(tmp_path / "saved")[0]] == ["yes", "no"]


def saved_splits(folder: Path, **splits: list[int]) -> str:
    rows = Dataset.from_dict(ROWS)
    DatasetDict({name: rows.select(index) for name, index in splits.items()}).save_to_disk(folder)
    return str(folder)


def test_saved_splits_go_by_their_names(tmp_path: Path) -> None:
    folder = saved_splits(tmp_path / "set", train=[0, 1], dev=[2], test=[1, 2])
    assert read(folder, "train")[0] == EXAMPLES[:2]
    assert read(folder, "validation")[0] == EXAMPLES[2:]
    assert read(folder, "test")[0] == EXAMPLES[1:]
    assert read(f"{folder}/dev", "train")[0] == EXAMPLES[2:]
    with pytest.raises(UserError, match="has no ood split, only train, dev, test: name the folder"):
        read(folder, "ood")
    two = saved_splits(tmp_path / "two", valid_1=[0], valid_2=[1])
    with pytest.raises(UserError, match="no validation split, only valid_1, valid_2"):
        read(two, "validation")
    exact = saved_splits(tmp_path / "exact", validation=[0], valid_2=[1])
    assert read(exact, "validation")[0] == EXAMPLES[:1]


@pytest.mark.slow
def test_saved_splits_train_and_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved_splits(tmp_path / "set", train=[0, 1], validation=[2], test=[2])
    run_config: dict[str, Any] = {
        "data": dict.fromkeys(("train", "validation", "test"), folder),
        "model": {"layers": 1, "heads": 2, "width": 16},
        "train": {"max_steps": 2, "batch_size": 2, "device": "cpu", "threads": 1},
        "evaluation": {"every_steps": 2, "samples": 0},
    }
    trained = train_new(tmp_path, check_run(run_config))
    assert run(["eval", str(trained.path), "--no-speed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 1


def test_a_damaged_saved_dataset_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Dataset.from_dict(ROWS).save_to_disk(tmp_path / "saved")
    capsys.readouterr()
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:200])
    assert run(["data", "stats", str(tmp_path / "saved")]) == 2
    error = capsys.readouterr().err
    assert "saved is a damaged dataset (" in error and error.count("\n") == 1
    arrow.unlink()
    assert run(["data", "stats", str(tmp_path / "saved")]) == 2
    assert "saved is a damaged dataset (" in capsys.readouterr().err

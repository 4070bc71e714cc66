from pathlib import Path

import msgspec

from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.tui.panels.samples import samples_of
from tests.events import evaluated
from tests.watch.runs import make

RIGHT = Sample(
    index=3,
    kind="best",
    correct=True,
    loss=0.5,
    input="1 2 * 3",
    cot="3 6",
    answer="3 6",
    model_cot="",
    model_answer="3 6",
    tokens=("3", "6", ""),
    confidence=(0.9,) * 3,
)
WRONG = Sample(
    index=4,
    kind="worst",
    correct=False,
    loss=None,
    input="9 * 9",
    cot="8 1",
    answer="8 1",
    model_cot="8",
    model_answer=None,
    tokens=(),
    confidence=(),
)


def test_the_engines_samples_are_read_wrong_ones_first(tmp_path: Path) -> None:
    folder = make(tmp_path)
    write_samples(folder.samples / "step-1.jsonl", [RIGHT, WRONG])
    assert samples_of(folder, evaluated(1, samples="step-1.jsonl", stage=2)) == [WRONG, RIGHT]


def test_of_damaged_and_missing_files_there_are_none(tmp_path: Path) -> None:
    folder = make(tmp_path)
    assert samples_of(folder, evaluated(1, samples="gone.jsonl")) == []
    path = folder.samples / "odd.jsonl"
    path.write_bytes(b'{"index": 1}\n\xff\n[]\n' + msgspec.json.encode(RIGHT) + b"\n{")
    assert samples_of(folder, evaluated(1, samples="odd.jsonl")) == [RIGHT]
    path.write_bytes(b"nothing of use\n")
    assert samples_of(folder, evaluated(1, samples="odd.jsonl")) == []


def test_a_file_elsewhere_is_never_read(tmp_path: Path) -> None:
    folder = make(tmp_path)
    write_samples(folder.path / "secret.jsonl", [RIGHT])
    assert samples_of(folder, evaluated(1, samples="../secret.jsonl")) == []

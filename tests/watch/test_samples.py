from pathlib import Path

import msgspec

from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.watch.samples import samples_of
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


def test_the_engines_samples_are_read(tmp_path: Path) -> None:
    folder = make(tmp_path)
    write_samples(folder.samples / "step-1.jsonl", [RIGHT, WRONG])
    found = samples_of(folder, evaluated(1, samples="step-1.jsonl", stage=2))
    assert (found.step, found.stage, found.problem) == (1, 2, "")
    for kept, written in ((found.right, RIGHT), (found.wrong, WRONG)):
        assert kept == (written,)


def test_damaged_and_missing_files_are_told(tmp_path: Path) -> None:
    folder = make(tmp_path)
    assert "No such file" in samples_of(folder, evaluated(1, samples="gone.jsonl")).problem
    path = folder.samples / "odd.jsonl"
    path.write_bytes(b'{"index": 1}\n\xff\n[]\n' + msgspec.json.encode(RIGHT) + b"\n{")
    found = samples_of(folder, evaluated(1, samples="odd.jsonl"))
    assert (len(found.right), found.problem) == (1, "")
    path.write_bytes(b"nothing of use\n")
    assert "no samples" in samples_of(folder, evaluated(1, samples="odd.jsonl")).problem


def test_a_file_elsewhere_is_never_read(tmp_path: Path) -> None:
    folder = make(tmp_path)
    write_samples(folder.path / "secret.jsonl", [RIGHT])
    assert samples_of(folder, evaluated(1, samples="../secret.jsonl")).problem

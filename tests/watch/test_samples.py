from pathlib import Path

import msgspec

from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.watch.samples import SampleReader, compare_answers, digits, samples_of
from tests.events import STARTED, evaluated, trained
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


def test_the_latest_samples_are_read_once(tmp_path: Path) -> None:
    folder, reader, summary = make(tmp_path), None, RunSummary()
    reader = SampleReader(folder)
    assert reader.latest(summary) is None
    summary.add(1.0, STARTED)
    write_samples(folder.samples / "a.jsonl", [RIGHT])
    summary.add(2.0, evaluated(1, samples="a.jsonl"))
    summary.add(3.0, evaluated(2))
    first = reader.latest(summary)
    assert first is not None and len(first.right) == 1
    assert reader.latest(summary) is first
    write_samples(folder.samples / "b.jsonl", [WRONG])
    summary.add(4.0, evaluated(3, samples="b.jsonl"))
    second = reader.latest(summary)
    assert second is not None and second.step == 3 and second.right == ()


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


def test_answers_are_compared_place_by_place() -> None:
    parts = compare_answers("0 3 6", "0 4 6 1")
    assert [(part.text, part.right) for part in parts] == [
        ("0", True), ("4", False), ("6", True), ("1", False),
    ]  # fmt: skip
    assert [part.right for part in compare_answers("408", "418")] == [True, False, True]
    assert compare_answers("1", None) == ()


def test_which_digits_hold_and_which_fell() -> None:
    summary = RunSummary()
    assert digits(summary) == ()
    for at, (step, exact) in enumerate(((1, 0.2), (2, 0.95), (3, 0.6))):
        summary.add(float(at), trained(step))
        summary.add(float(at), evaluated(step, exact))
    first, second = digits(summary)
    assert (first.accuracy, first.best, first.fell, first.holds) == (0.6, 0.95, True, False)
    assert first.history == ((1, 0, 0.2), (2, 0, 0.95), (3, 0, 0.6))
    assert (second.place, second.fell, second.holds) == (1, False, False)

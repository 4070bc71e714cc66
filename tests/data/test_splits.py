"""Splits share no problem, in whatever order or with whatever blanks it is written."""

from pathlib import Path
from typing import Any

import pytest

from icot_tui.config import DataConfig
from icot_tui.data.load import load_data
from icot_tui.engine.evaluation.held_out import held_out_text
from icot_tui.errors import UserError
from tests.data.loading import SUMS, config, entries, inputs, write
from tests.tiny import tiny, train_new


def test_splits_are_disjoint() -> None:
    data = load_data(config(train_examples=None))
    parts = [inputs(data, name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts[1:]] == [100, 50]
    assert 7948 <= len(parts[0]) <= 7950  # a border may leave a problem's mirror over
    assert len(set().union(*parts)) == sum(map(len, parts))
    assert data.task is not None
    assert data.separator_id == data.tokenizer.eos_token_id
    assert data.warnings == []


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_carriage_return_within_a_line_ends_none(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.txt", *(line.replace("||", "||\r") for line in SUMS))
    chosen = DataConfig(train=path, validation="10%")
    data = load_data(chosen)
    assert len(data.train) + len(data.validation) == len(SUMS)
    held_out = held_out_text(chosen, "validation")
    assert len(list(held_out.lines())) == len(data.validation)


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


# --- training problems with options of their own ---


@pytest.mark.parametrize(
    ("own", "count"),
    [({"zeros": "50%"}, 500), ({"digits": "1-3x1-2"}, 500), ({"digits": "1x2"}, 700)],
)
def test_training_problems_of_other_options_leave_the_held_out_ones_as_they_are(
    own: dict[str, Any], count: int
) -> None:
    plain = load_data(config())
    other = load_data(config(train_options=own, train_examples=count))
    for name in ("validation", "test"):
        assert inputs(other, name) == inputs(plain, name)
    trained = inputs(other, "train")
    assert len(trained) == len(set(trained)) == count
    assert not up_to_order(trained) & up_to_order(inputs(plain, "validation"))
    assert not up_to_order(trained) & up_to_order(inputs(plain, "test"))
    few = load_data(config(train_options=own, train_examples=30))
    assert inputs(few, "train") == trained[:30]


def test_many_zeros_are_in_the_training_problems_alone() -> None:
    digits: dict[str, Any] = {"options": {"digits": "4x4"}, "train_examples": 2000}
    data = load_data(config(train_options={"zeros": "100%"}, validation_examples=1000, **digits))
    zeros = {
        name: sum(x.split()[5:8].count("0") for x in inputs(data, name)) / (3 * len(split))
        for name, split in (("train", data.train), ("validation", data.validation))
    }
    assert zeros == pytest.approx({"train": 0.505, "validation": 0.1}, abs=0.03)


def test_they_are_no_part_of_what_the_out_of_distribution_split_may_hold() -> None:
    sizes = {"train_options": {"digits": "3x3"}, "ood_options": {"digits": "3x3,3x2"}}
    data = load_data(config(ood_examples=300, **sizes))
    assert data.ood is not None and len(data.ood) == 300
    assert not up_to_order(inputs(data, "train")) & up_to_order(inputs(data, "ood"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train_examples": None}, "data.train_examples is missing: data.train_options need it"),
        ({"train_options": {"format": "long"}}, "data.train_options are the task's own"),
        ({"train_options": {"zeros": 2}}, "with data.train_options, data.options.zeros"),
        ({"train_options": {"digits": "1x1"}}, "data.train_options give only 81 problems"),
    ],
)
def test_bad_options_of_training_problems_are_one_sentence(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        load_data(config(**({"train_options": {"zeros": "10%"}} | changes)))


def test_files_have_no_options_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.txt", *SUMS)
    for key in ("train_options", "ood_options"):
        with pytest.raises(ValueError, match=r"data\.ood_options go with data"):
            DataConfig(train=path, validation=path, **{key: {"zeros": "10%"}})

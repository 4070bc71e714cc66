from dataclasses import replace
from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.watch.filters import in_order, keys_in, run_filter
from icot_tui.watch.runs import RunLine

PLAIN = RunLine(folder=RunFolder(Path("x")), name="x", status="finished")
ONE = replace(
    PLAIN, name="one", method="ICoT-SI", accuracy=0.95, best=0.97, step=2000, stage=8, of=8,
    tags=("paper", "old"), note="the late spike",
    config={"method.name": "stepwise", "curriculum.smoothing": 2.0, "train.amp": True,
            "model.lora.targets": ["q", "v"], "data.task": "multiplication", "data.train": None},
)  # fmt: skip
TWO = replace(
    PLAIN, name="two", status="dead", method="No CoT", accuracy=0.4, step=500,
    config={"method.name": "no_cot", "curriculum.smoothing": 4, "train.amp": False,
            "data.task": None, "data.train": "a file.txt"},
)  # fmt: skip
NEW = replace(PLAIN, name="new", status="starting", method="no_cot", description="The demo (a)")
RUNS = [ONE, TWO, NEW]


def chosen(text: str) -> list[str]:
    fits = run_filter(text, RUNS)
    return [line.name for line in RUNS if fits(line)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "one two new"),
        ("method=stepwise curriculum.smoothing<3 accuracy>0.9 tag:paper", "one"),
        ("method=icot-si", "one"),
        ("method=no_cot", "two new"),
        ("accuracy<0.5", "two"),  # a run without an accuracy has not 0
        ("accuracy>=0.4", "one two"),
        ("accuracy!=0.4", "one"),
        ("accuracy=40%", "two"),
        ("accuracy=none", "new"),
        ("accuracy!=none", "one two"),
        ("removed=8", "one"),
        ("curriculum.smoothing=4.0", "two"),
        ("train.amp=true", "one"),
        ("train.amp=False", "two"),
        ("model.lora.targets=v", "one"),
        ("tag=old tag:paper", "one"),
        ("tag!=paper", "two new"),
        ("tag=none", "two new"),
        ("note~LATE", "one"),
        ('data.train="a file.txt"', "two"),
        ("data.task!=multiplication", ""),
        ("status:dead", "two"),
        ("demo", "new"),
        ("^tw", "two"),
        ("(a", "new"),
        ("two|ONE", "one two"),
        ("spike accuracy>0.9", "one"),
        ("seconds<1", "one two new"),
        ("accuracy > 0.5", "one"),
        ("accuracy> 0.5 tag : paper", "one"),
        ("accuracy >0.5 spike", "one"),
        ("status = dead accuracy < 50%", "two"),
        ("status != dead removed = none", "new"),
        ('data.train = "a file.txt"', "two"),
        ('note ~ "late spike"', "one"),
        ("accuracy >= 95.0 %", "one"),
        ("accuracy==0.4", "two"),
        ('">"', ""),
    ],
)
def test_what_a_filter_chooses(text: str, names: str) -> None:
    assert chosen(text) == names.split()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("smoothing<3", "no run has a key 'smoothing'; did you mean curriculum.smoothing?"),
        ("acuracy>0.9", "no run has a key 'acuracy'; did you mean accuracy?"),
        ("zzz=1", "there are name, status, method, accuracy, .* such as train.learning_rate"),
        ("accuracy>high", "the filter 'accuracy>high': accuracy is a number, such as accuracy>0.5"),
        ("accuracy=nan", "accuracy is a number"),
        ("best>10", "best is a share of 1, such as best>0.9 or best>90%"),
        ("accuracy>", "the filter 'accuracy>' lacks a value: write one, or accuracy=none"),
        ("> 0.3", "the filter '>' lacks a key before >, such as accuracy>0.5"),
        ("demo = 1", "no run has a key 'demo'"),
        ("accuracy >", "the filter 'accuracy >' lacks a value: write one, or accuracy=none"),
        ("note = status = dead", "the filter 'note =' lacks a value"),
        ("accuracy > = 0.3", "the filter 'accuracy > =': accuracy is a number"),
        ("status>3", "compares text: use =, != or ~; status is finished, dead, starting"),
        ("train.amp<1", "compares text: use =, != or ~; train.amp is true, false"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run_filter(text, RUNS)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("accuracy=34.7%", True),
        ("accuracy>=34.7%", True),
        ("accuracy<=34.7%", True),
        ("accuracy>34.7%", False),
        ("accuracy<34.7%", False),
        ("accuracy!=34.7%", False),
        ("accuracy>=35%", False),  # with fewer decimals than are listed, too
        ("accuracy=34.67%", True),
        ("accuracy>=34.67%", True),
        ("accuracy>=34.68%", False),
        ("accuracy>=0.347", False),  # a share is compared as it is
        ("accuracy~34.7", True),
        ("accuracy~66", False),
        ("best=100%", False),
        ("best<100%", True),
        ("best=99.9%", True),
        ("best~99.9", True),
    ],
)
def test_a_percentage_is_compared_with_what_is_listed(text: str, met: bool) -> None:
    run = replace(PLAIN, accuracy=104 / 300, best=0.9998)
    assert run_filter(text, [run])(run) == met


def test_sorting_puts_the_best_first_and_what_is_unknown_last() -> None:
    def names(key: str, reverse: bool = False) -> list[str]:
        return [line.name for line in in_order([NEW, TWO, ONE], key, reverse)]

    assert names("accuracy") == ["one", "two", "new"]
    assert names("accuracy", reverse=True) == ["two", "one", "new"]
    assert names("curriculum.smoothing") == ["one", "two", "new"]
    assert names("name") == ["new", "one", "two"]
    assert names("tag") == ["one", "new", "two"]
    for title, key in (("run", "name"), ("exact match", "accuracy"), ("tags", "tag")):
        assert names(title) == names(key)
    lines = [replace(ONE, name="old", age=9.0), replace(ONE, name="young", age=3.0), NEW]
    assert [line.name for line in in_order(lines, "began")] == ["young", "old", "new"]
    with pytest.raises(UserError, match="sort by 'smoothing'"):
        names("smoothing")


def test_of_runs_with_the_same_accuracy_that_with_more_removed_is_first() -> None:
    more = replace(ONE, name="more", stage=ONE.stage + 1)
    for lines in ([ONE, more], [more, ONE]):
        assert [line.name for line in in_order(lines, "accuracy")] == ["more", "one"]
        assert [line.name for line in in_order(lines, "best", reverse=True)] == ["one", "more"]


def test_the_keys_of_a_filter() -> None:
    assert keys_in("demo seed = 3 tag:paper curriculum.smoothing<3") == [
        "seed", "tag", "curriculum.smoothing",
    ]  # fmt: skip

"""Generated problems: the right text, distinct, and the same for ever."""

import re
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from icot_tui.cli.app import app
from icot_tui.config import DataConfig
from icot_tui.data.tasks import TASKS as ALL
from icot_tui.data.tasks import Task, make_task, space
from icot_tui.data.tasks.base import human_number
from icot_tui.errors import UserError
from tests.shared import shared

TASKS = [
    ("multiplication", {"digits": "2x2"}),
    ("multiplication", {"digits": ["2x1", "1x3", "2x2"]}),
    ("multiplication", {"digits": "2x2,6x5", "format": "tree"}),
    ("multiplication", {"digits": "1x1,4x3", "format": "rows"}),
    ("multiplication", {"digits": "20x20"}),
    ("multiplication", {"digits": "1x1,4x3", "zeros": "50%"}),
    ("addition", {}),
    ("addition", {"operands": 12, "digits": 1}),
    ("modular", {}),
    ("modular", {"steps": 30, "modulus": 10}),
    ("multiplication", {"digits": "1-3x1-2"}),
    ("parity", {"bits": 3}),
    ("parity", {"bits": 40}),
    ("hops", {}),
    ("hops", {"hops": 6, "names": 52}),
    ("graph", {}),
    ("graph", {"hops": 4, "tree": 9, "names": 30}),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def low_first(number: int, width: int) -> str:
    return " ".join(reversed(str(number).zfill(width)))


def line(x: str, z: str, y: str) -> str:
    return f"{x}||{z} #### {y}"


def rows(a: int, b: str, n: int) -> list[tuple[int, int]]:
    """(value, width) of the partial products of a with the digits of b, lowest digit first."""
    return [(a * int(digit) * 10**i, n + 1 + i) for i, digit in enumerate(reversed(b))]


def long_line(a: str, b: str) -> str:
    """The format, written once more with Python's whole numbers."""
    parts = rows(int(a), b, len(a))
    sums = list(accumulate(value for value, _ in parts))
    cot = [low_first(*parts[0])]
    for i, part in enumerate(parts[1:], start=1):
        last = i == len(parts) - 1
        cot.append("+ " + low_first(*part))
        cot += [] if last else [f"( {low_first(sums[i], part[1])} )"]
    return line(
        f"{low_first(int(a), len(a))} * {low_first(int(b), len(b))}",
        " ".join(cot),
        low_first(int(a) * int(b), len(a) + len(b)),
    )


def tree_cot(a: str, b: str) -> str:
    level = rows(int(a), b, len(a))
    cot = [" + ".join(low_first(*part) for part in level)]
    while len(level) > 2:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [(sum(value for value, _ in pair), pair[-1][1]) for pair in pairs]
        cot.append("( " + " + ".join(low_first(*part) for part in level) + " )")
    return " ".join(cot)


@pytest.mark.parametrize("digits", [4, 5, 7, 9])
def test_every_real_line(digits: int) -> None:
    text = shared("data", f"{digits}_by_{digits}_mult", "valid.txt").read_bytes()
    task = make_task("multiplication", {"digits": f"{digits}x{digits}"})
    inputs = [real.partition("||")[0] for real in text.decode().splitlines()]
    questions = [task.human_input(x) for x in inputs]
    padded = ["*".join(f.strip().zfill(digits) for f in q.split("*")) for q in questions]
    problems = np.array([task.question(question) for question in padded])
    assert task.lines(problems) == text
    assert [task.model_input(problem) for problem in problems] == inputs
    answers = [real.partition(" #### ")[2] for real in text.decode().splitlines()]
    assert [task.human_answer(y) for y in answers] == list(map(task.true_answer, problems))


@settings(max_examples=60)
@given(st.from_regex("[0-9]{1,25}", fullmatch=True), st.from_regex("[0-9]{1,25}", fullmatch=True))
def test_multiplication_of_any_size(a: str, b: str) -> None:
    size = f"{len(a)}x{len(b)}"
    task = make_task("multiplication", {"digits": ["64x64", size]})
    assert task.lines(task.question(f"{a} × {b}")[None]).decode() == long_line(a, b) + "\n"
    task = make_task("multiplication", {"digits": size, "format": "tree"})
    text = task.lines(task.question(f"{a}*{b}")[None]).decode()
    x, y = long_line(a, b).split("||")[0], long_line(a, b).split(" #### ")[1]
    assert text == line(x, tree_cot(a, b), y) + "\n"
    parts = rows(int(a), b, len(a))
    texts = [low_first(*part) for part in parts]
    task = make_task("multiplication", {"digits": size, "format": "rows"})
    text = task.lines(task.question(f"{a}*{b}")[None]).decode()
    assert text == line(x, " + ".join(texts), y) + "\n"


def test_the_largest_factors_do_not_overflow() -> None:
    task = make_task("multiplication", {"digits": "64x64"})
    nines = "9" * 64
    assert task.lines(task.question(f"{nines}*{nines}")[None]).decode() == (
        long_line(nines, nines) + "\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), TASKS)
def test_samples(name: str, options: dict[str, object]) -> None:
    """Distinct, in range, the same for the same seed, and the first do not depend on the count."""
    task = make_task(name, options)
    count = min(1200, task.capacity or 1200)
    problems = task.sample(count, rng())
    assert problems.shape[0] == count
    assert len(np.unique(problems, axis=0)) == count
    for fewer in (1, 7, count // 2):
        np.testing.assert_array_equal(task.sample(fewer, rng()), problems[:fewer])
    assert not np.array_equal(task.sample(count, rng(1)), problems)
    lines = task.lines(problems).decode().splitlines()
    assert len(set(lines)) == count
    assert set("".join(lines)) <= set(task.alphabet) | set(" |#")
    for problem, text in list(zip(problems, lines, strict=True))[:50]:
        x, y = text.split("||")[0], text.split(" #### ")[1]
        assert task.model_input(problem) == x
        assert task.human_answer(y) == task.true_answer(problem)
        np.testing.assert_array_equal(task.question(task.human_input(x)), problem)
        if name == "multiplication":
            a, b = task.human_input(x).split(" * ")
            assert str(int(a) * int(b)) == task.true_answer(problem)
            assert f"{len(a)}x{len(b)}" in task.options["digits"]  # type: ignore[operator]


def spans_of(name: str, **options: object) -> list[tuple[str, list[str], str]]:
    """Input, steps and answer of some problems, the steps told apart as the task says."""
    task = make_task(name, options)
    lines = task.lines(task.sample(200, rng())).decode().splitlines()
    spans = [(x, *rest.split(" #### ")) for x, rest in (line.split("||") for line in lines)]
    end = f"(?<=[{re.escape(task.step_ends)}])"
    return [(x, [s.strip() for s in re.split(end, z) if s.strip()], y) for x, z, y in spans]


def facts_of(x: str) -> tuple[dict[str, str], list[str]]:
    """Each second name's first one, of facts `a b .`; and what is asked after them."""
    *facts, asked = x.split(" . ")
    pairs = [fact.split() for fact in facts]
    return {child: parent for parent, child in pairs}, asked.replace("?", "").split()


def test_a_graphs_path_leads_to_one_of_the_two_and_to_nothing_else() -> None:
    right_first = 0
    for x, steps, y in spans_of("graph", hops=3, tree=7):
        parent, (root, first, second) = facts_of(x)
        assert len(parent) == 12 and y in (first, second)
        for end in (first, second):
            path = [end]
            while len(path) <= 3:
                path.append(parent[path[-1]])
            assert path[-1] not in parent and (path[-1] == root) == (end == y)
            if end == y:
                facts = [f"{a} {b} ." for b, a in pairwise(path)]
                assert steps == facts[::-1]
        right_first += y == first
    assert 70 < right_first < 130


def test_hops_are_followed() -> None:
    for x, steps, y in spans_of("hops", hops=4, names=6):
        source, (at,) = facts_of(x)
        image = {a: b for b, a in source.items()}
        arrived = []
        for _ in range(4):
            arrived.append(at := image[at])
        assert [*steps, y] == arrived


def test_too_few_problems_are_said_to_be_too_few() -> None:
    task = make_task("hops", {"names": 3})
    assert len(np.unique(task.sample(108, rng()), axis=0)) == 108
    with pytest.raises(UserError, match="there are only 108: ask for fewer"):
        task.sample(109, rng())


def test_parity_runs_along() -> None:
    for x, steps, y in spans_of("parity", bits=9):
        ones = accumulate(map(int, x.split()))
        assert [*steps, y] == [str(count % 2) for count in ones]


@pytest.mark.slow
def test_sizes_in_a_range_are_balanced() -> None:
    task = make_task("multiplication", {"digits": "3-20x3-20"})
    sizes = task.sample(324 * 10, rng())[:, :2]
    counts = np.unique(sizes, axis=0, return_counts=True)[1]
    assert len(counts) == 324 and counts.min() >= 8 and counts.max() <= 12


def test_a_large_space_is_drawn_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "ENUMERABLE", 1000)
    monkeypatch.setattr(space, "DRAWN_AT_ONCE", 512)
    whole = space.ProblemSpace((0, 1, 3), (10, 10, 23))
    drawn = whole.sample(whole.size, rng())
    assert len(np.unique(drawn, axis=0)) == whole.size == 1800
    for fewer in (1, 100, 250, 300, 700):
        np.testing.assert_array_equal(whole.sample(fewer, rng()), drawn[:fewer])
    monkeypatch.setattr(space, "ENUMERABLE", 10)
    few = space.ProblemSpace((0, 1), (4, 5))
    drawn = few.sample(16, rng())  # more than twice as many draws
    assert len(np.unique(drawn, axis=0)) == 16
    np.testing.assert_array_equal(few.sample(5, rng()), drawn[:5])
    with pytest.raises(UserError, match="only 1800"):
        whole.sample(1801, rng())


def test_a_small_space_is_drawn_whole() -> None:
    task = make_task("multiplication", {"digits": "2x2"})
    assert task.capacity == 8100
    factors = {task.human_input(task.model_input(p)) for p in task.sample(8100, rng())}
    assert factors == {f"{a} * {b}" for a in range(10, 100) for b in range(10, 100)}


def test_a_mix_gives_each_size_its_share() -> None:
    task = make_task("multiplication", {"digits": ["1x1", "2x2", "5x5", "9x9"]})
    sizes = task.sample(3000, rng())[:, 0]
    counts = np.bincount(sizes, minlength=10)
    assert abs(counts[5] - counts[9]) <= 4
    assert 0 < counts[1] < counts[2] < 200
    small = make_task("multiplication", {"digits": ["1x1", "2x1", "2x2"]})
    assert small.capacity == 81 + 810 + 8100
    assert len(np.unique(small.sample(8991, rng()), axis=0)) == 8991
    with pytest.raises(UserError, match="only 8991"):
        small.sample(8992, rng())
    used_up = make_task("multiplication", {"digits": ["1x1", "9x9"]})
    assert np.bincount(used_up.sample(150_000, rng())[:, 0])[1] == 81


def test_a_share_of_products_has_many_zeros() -> None:
    """As many as said, below the highest digit; the others are as even as without them."""
    task = make_task("multiplication", {"digits": "4x4", "zeros": "50%"})
    problems = task.sample(20_000, rng())
    assert task.capacity is None
    zeros = (problems[:, 2:] == 0).mean(axis=0)
    a, b = 0.1 + 0.9 * 0.5 * 0.15, 0.1 + 0.9 * 0.5 * 0.45
    assert zeros == pytest.approx([a, a, a, 0, b, b, b, 0], abs=0.01)
    all_three = (problems[:, 6:9] == 0).all(axis=1).mean()
    assert all_three == pytest.approx(0.5 * 0.1**3 + 0.5 * 0.505**3, abs=0.006)
    mixed = make_task("multiplication", {"digits": "1x1,2x3", "zeros": "100%"}).sample(500, rng())
    for (n, m), digits in zip(mixed[:, :2], mixed[:, 2:], strict=True):
        assert digits[n - 1] and digits[2 + m - 1]
    with pytest.raises(UserError, match="only 8100"):
        make_task("multiplication", {"digits": "2x2", "zeros": "100%"}).sample(8000, rng())


def test_addition() -> None:
    task = make_task("addition", {"operands": "4", "digits": "2"})
    text = task.lines(task.question("12 + 34 + 99+90")[None]).decode()
    assert text == "2 1 + 4 3 + 9 9 + 0 9||( 6 4 0 ) ( 5 4 1 ) #### 5 3 2\n"


def test_modular() -> None:
    task = make_task("modular", {"steps": 3, "modulus": 7})
    assert task.lines(task.question("3 + 5 * 2 - 4")[None]).decode() == (
        "3 + 5 * 2 - 4||1 2 #### 5\n"
    )
    task = make_task("modular", {"steps": 6, "modulus": 10})
    for problem in task.sample(200, rng()):
        symbols = task.model_input(problem).split()
        value = int(symbols[0])
        results = []
        for operator, number in zip(symbols[1::2], symbols[2::2], strict=True):
            value = {"+": value + int(number), "-": value - int(number), "*": value * int(number)}[
                operator
            ] % 10
            results.append(str(value))
        expected = line(" ".join(symbols), " ".join(results[:-1]), results[-1])
        assert task.lines(problem[None]).decode() == expected + "\n"


@pytest.mark.parametrize(
    ("digits", "human"), [("8 0 4", "408"), ("0 0 1 0 0", "100"), ("0 0", "0"), ("5", "5")]
)
def test_human_numbers(digits: str, human: str) -> None:
    assert human_number(digits) == human


@pytest.mark.parametrize("garbage", ["", "8 0 + 4", "80 4", "٣ ٤", "\x1b[31m"])
def test_what_is_no_number_stays(garbage: str) -> None:
    assert human_number(garbage) == garbage


def test_short_numbers_get_leading_zeros() -> None:
    task = make_task("multiplication", {"digits": ["2x2", "3x1", "4x4"]})
    inputs = [task.model_input(task.question(text)) for text in ("7*8", "123*4", "7*123")]
    assert inputs == ["7 0 * 8 0", "3 2 1 * 4", "7 0 0 0 * 3 2 1 0"]
    sums = make_task("addition", {})
    assert (sums.question("1+20+3+456") == sums.question("001+020+003+456")).all()


@pytest.mark.parametrize(
    ("task", "question", "complaint"),
    [
        (make_task("multiplication", {}), "twelve", "is no product: write it like 12"),
        (make_task("multiplication", {}), "12345*34", "has 5x2 digits, but the task has 4x4"),
        (make_task("multiplication", {}), "٣٣٣٣*1234", "is no product"),
        (make_task("addition", {}), "12-5", "is no sum"),
        (make_task("addition", {}), "12+5", "adds 4 numbers of 3 digits"),
        (make_task("modular", {}), "1+2", "chain of 4 operations"),
        (make_task("modular", {}), "9+1+1+1+1", "below the modulus 7"),
        (make_task("parity", {"bits": 4}), "1 0 2 1", "no row of 4 bits"),
        (make_task("hops", {"names": 3}), "a b . b a . c c . d ? a", "write 3 facts"),
        (make_task("hops", {"names": 3}), "a b . b b . c c . ? a", "each of abc once"),
        (make_task("graph", {"hops": 1, "tree": 2}), "a b . c d . a ? b", "write 2 facts"),
        (make_task("graph", {"hops": 1, "tree": 2}), "a b . c d . e ? b d", "has no one answer"),
        (make_task("graph", {"hops": 1, "tree": 2}), "a b . c Z . a ? b Z", "has no one answer"),
    ],
)
def test_unreadable_questions(task: Task, question: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        task.question(question)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("multiplicaton", {}, "did you mean multiplication"),
        ("multiplication", {"digit": "4x4"}, "options.digit: .* has only digits, format"),
        ("multiplication", {"digits": "4by4"}, "options.digits .*'4by4' is no size"),
        ("multiplication", {"digits": "0x4"}, "1 to 64 digits"),
        ("multiplication", {"digits": "65x1"}, "1 to 64 digits"),
        ("multiplication", {"digits": ["2x2", "2x2"]}, "twice"),
        ("multiplication", {"digits": []}, "write a size"),
        ("multiplication", {"digits": 4}, "write a size"),
        ("multiplication", {"digits": [4]}, "options.digits"),
        ("multiplication", {"zeros": "150%"}, "options.zeros of .* less than or equal to 1"),
        ("multiplication", {"zeros": 1}, "options.zeros .*: write a share .* such as '5%'"),
        ("multiplication", {"format": "short"}, "'long', 'tree' or 'rows'"),
        ("addition", {"operands": 2}, "options.operands"),
        ("modular", {"modulus": 11}, "options.modulus"),
        ("multiplication", {"digits": "3-1x2"}, "ends before it begins"),
        ("parity", {"bits": 1}, "options.bits"),
        ("hops", {"names": 99}, "options.names"),
        ("graph", {"hops": 4, "tree": 4}, "data.options of the task graph: .* tree = 5 or more"),
        ("graph", {"tree": 20, "names": 26}, "need as many names"),
    ],
)
def test_bad_options(name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        make_task(name, options)


def test_every_task_is_named_where_a_person_looks_for_it():
    comment = DataConfig.model_fields["task"].description
    told = CliRunner().invoke(app, ["data", "make", "--help"]).output
    assert [name for name in ALL for text in (comment, told) if name not in text] == []

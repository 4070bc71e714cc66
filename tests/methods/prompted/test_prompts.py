"""What is asked, and how answers are read."""

import re
from pathlib import Path

import pytest
import tomli_w

from icot_tui.cli.app import run
from icot_tui.config import check_run, load_config
from icot_tui.config.loading import dump_toml
from icot_tui.data.examples import Example
from icot_tui.methods.prompted.prompts import as_text, conversation, read_questions
from icot_tui.methods.prompted.replies import is_right, read_answer
from icot_tui.studies.plan import digest_of
from tests.methods.prompted.asked import Output, config
from tests.studies.small import BASE


def test_numbers_are_shown_as_people_write_them() -> None:
    asked = config(model="m", shots=3, cot=True)
    assert asked.prompted is not None
    questions = read_questions(asked.data, asked.prompted, seed=0)
    assert (len(questions.shots), len(questions.asked), questions.split) == (3, 10, "test")
    for example in (*questions.shots, *questions.asked):
        a, b = map(int, re.fullmatch(r"(\d\d) \* (\d\d)", example.input).groups())  # type: ignore[union-attr]
        assert example.answer == str(a * b)
        assert [int(n) for n in example.cot.split(" + ")] == [a * (b % 10), a * (b // 10) * 10]
    others = read_questions(asked.data, asked.prompted, seed=1)
    assert others.shots != questions.shots
    assert others.asked == questions.asked
    raw = asked.prompted.model_copy(update={"form": "raw"})
    example = read_questions(asked.data, raw, seed=0).asked[0]
    assert re.fullmatch(r"\d \d \* \d \d", example.input)
    assert re.fullmatch(r"\d \d \d \d", example.answer)


def test_a_conversation_shows_the_examples_and_then_asks() -> None:
    shots = [Example("12 * 34", "48 + 360", "408")]
    messages = conversation(shots, "56 * 78", cot=True)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"].endswith("\n\n12 * 34")
    assert messages[1]["content"] == "48 + 360 #### 408"
    assert conversation(shots, "56 * 78", cot=False)[1]["content"] == "#### 408"
    assert as_text(messages).endswith(
        "\n\nQuestion: 12 * 34\nAnswer: 48 + 360 #### 408\n\nQuestion: 56 * 78\nAnswer:"
    )
    assert as_text(conversation([], "1 * 2", cot=False)).endswith("\n\nQuestion: 1 * 2\nAnswer:")


@pytest.mark.parametrize(
    ("text", "gold", "read"),
    [
        ("48 + 360 #### 408", "408", "408"),
        ("#### Step 1\nnothing\n#### The answer: $1,408.00", "1408", "1,408.00"),
        ("#### 4 0 8", "408", "408"),
        ("So it is \\boxed{408}.", "408", "408"),
        ("The answer is **408**, since 400 + 8.", "408", "408"),
        ("12 * 34 = 408", "408", "408"),
        ("10-3 = -7", "-7", "-7"),
        ("#### Yes.", "yes", "Yes"),
        ("I cannot say.", "408", None),
        ("", "408", None),
    ],
)
def test_answers_are_read_leniently(text: str, gold: str, read: str | None) -> None:
    assert read_answer(text, gold, cut=False) == read
    assert is_right(read, gold) == (read is not None)


def test_nothing_is_guessed_from_a_text_that_was_cut_off() -> None:
    assert read_answer("48 + 360", "360", cut=True) is None
    assert read_answer("48 + 360 #### 408 because", "408", cut=True) == "408"
    assert not is_right("0408", "4080")
    assert is_right("0408", "408")


def test_numbers_written_digit_by_digit_are_compared_so() -> None:
    assert is_right("804", "8 0 4")
    assert is_right("8 0 4", "8 0 4")
    assert not is_right("0804", "8 0 4")
    assert not is_right("8", "0 8")
    assert not is_right("804", "8 0 4 0")


def test_a_wrong_section_is_told_with_its_key(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(tomli_w.dumps(BASE | {"method": {"name": "prompted"}}))
    assert run(["config", "check", str(path)]) == 2
    assert "needs a section [prompted] with a model" in capsys.readouterr().err
    assert run(["config", "check", str(path), "--set", "prompted.modle=x"]) == 2
    assert "unknown key prompted.modle; did you mean" in capsys.readouterr().err
    assert run(["config", "check", str(path), "--set", "prompted.model=x"]) == 0


def test_config_new_explains_the_section(tmp_path: Path, capsys: Output) -> None:
    assert run(["config", "new", "mine"]) == 0
    text = (tmp_path / "mine.toml").read_text()
    before, after = text.split("#[prompted]")
    section = after.split("#[")[0]
    assert "# None" not in before
    keys = [f"{line[1:]}\n" for line in section.splitlines() if re.match(r"#\w+ = .", line)]
    (tmp_path / "mine.toml").write_text(f'{before}[prompted]\nmodel = "m"\n{"".join(keys)}')
    found = load_config("mine.toml", ["method.name=prompted"]).config.prompted
    assert found == config(model="m").prompted


def test_trainings_have_the_digest_that_they_had() -> None:
    plain = check_run(BASE | {"name": "a"})
    assert "prompted" not in dump_toml(plain)
    before = "85a87e93340852104a9076bf"  # of the version that did not know the section
    assert digest_of(plain) == before
    asked = config(model="m")
    assert digest_of(asked) != digest_of(config(model="n"))
    Path("asked.toml").write_text(dump_toml(asked))
    assert digest_of(load_config("asked.toml").config) == digest_of(asked)

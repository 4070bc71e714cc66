"""What the first panel says of methods that write no chain, or put something in its place."""

from pathlib import Path

import pytest

from icot_tui.tui.panels.removal import RemovalPanel
from tests.screens.panel_run import Told, look

SIZES = [(38, 8), (78, 7), (78, 14), (118, 22)]


def said(told: Told, size: tuple[int, int]) -> tuple[str, list[str]]:
    panel = RemovalPanel()
    lines = look(panel, told.view(), size)
    return str(panel.border_title), lines


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("method", "title", "instead"),
    [
        ("codi", "CODI", "3 thoughts"),
        ("running_sums", "running sums", ""),
        ("pause", "pause tokens", "5 pause tokens"),
    ],
)
def test_where_nothing_is_removed_no_word_of_it_is_said(
    tmp_path: Path, method: str, title: str, instead: str, size: tuple[int, int]
) -> None:
    own = {"codi": {"thoughts": 3}, "pause": {"tokens": 5}}
    sections = {method: own[method]} if method in own else {}
    told = Told(tmp_path, method={"name": method}, train={"max_steps": 300}, **sections)
    told.stage = told.tokens
    border, lines = said(told.start(title).train(50), size)
    text = " ".join(" ".join(lines).split())
    assert border == "method" and lines[0].startswith(title) and lines[0].endswith(instead)
    assert "unwritten" in text and not any(word in text for word in ("remov", "stage", "goes next"))


def test_the_teacher_of_codi_reads_the_chain_that_its_student_does_not_write(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path, method={"name": "codi"}, train={"max_steps": 300})
    told.stage = told.tokens
    _, lines = said(told.start("CODI").train(50), (118, 12))
    text = " ".join(lines)
    assert "writes the answer alone" in text
    assert "as its teacher, read the whole chain of thought" in text


def test_coconut_answers_from_its_thoughts_once_all_steps_are_gone(tmp_path: Path) -> None:
    curriculum = {"unit": "step", "smoothing": "inf"}
    sections = {"curriculum": curriculum, "coconut": {"thoughts_per_step": 2}}
    told = Told(tmp_path, method={"name": "coconut"}, **sections).start("Coconut", steps=(4, 4))
    border, lines = said(told.train(50).remove().train(10), (78, 12))
    assert border == "removal: Coconut"
    text = " ".join(lines)
    assert "2 thoughts, 1 reasoning step left to remove" in text
    assert "Thoughts that are no words stand where steps were" in text
    told.remove().train(10)
    text = " ".join(said(told, (78, 14))[1])
    assert "the model answers from the question and 4 thoughts." in text
    assert "straight from the question" not in text


def test_pause_tokens_stay_while_the_chain_goes(tmp_path: Path) -> None:
    sections = {"method": {"name": "pause_stepwise"}, "pause_stepwise": {"tokens": 5}}
    told = Told(tmp_path, **sections).start("pause tokens, ICoT-SI").train(100).remove().train(10)
    border, lines = said(told, (78, 12))
    assert border == "removal: pause tokens, ICoT-SI"
    assert lines[0].endswith("5 pause tokens, 7 tokens left to remove")
    text = " ".join(" ".join(lines).split())
    assert "pause tokens, fillers without a meaning of their own, stand before what is left" in text
    assert "No step is ever written" not in text

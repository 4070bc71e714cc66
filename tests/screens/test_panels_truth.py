"""What is said of a run that went back, is held, or has died: nothing of what it was before."""

from dataclasses import replace
from pathlib import Path

from icot_tui.engine.journal.events import CheckpointSaved, CommandDone, RolledBack
from icot_tui.tui.frame.header import fit_parts, header_parts
from icot_tui.tui.panels.accuracy import AccuracyPanel, accuracy_data
from icot_tui.tui.panels.removal import RemovalPanel, _answers
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.summary import summary_facts
from tests.screens.panel_run import Told, look


def header(view: RunView) -> str:
    return " | ".join(text for text, _ in header_parts(view))


def evaluated(told: Told, share: float) -> Told:
    return told.evaluate(share, [share] * 4)


def saved(told: Told, name: str) -> Told:
    path = f"checkpoints/{name}"
    kept = CheckpointSaved(step=told.step, path=path, stage=told.stage, bytes=1, seconds=0.1)
    return told.tell(kept)


def gone_back(tmp_path: Path) -> Told:
    told = evaluated(Told(tmp_path).start().train(100), 0.98)
    saved(told, "step-00000100").remove().train(100)
    evaluated(told, 0.16)
    back = RolledBack(step=told.step, checkpoint="step-00000100", stage=0, cause="collapse")
    return told.tell(back)


def test_after_a_rollback_the_abandoned_figure_is_no_more_the_runs(tmp_path: Path) -> None:
    told = gone_back(tmp_path)
    assert "16.0 %" not in header(told.view())
    assert "not evaluated since the rollback" in header(told.view())
    said = " ".join(look(AccuracyPanel(), told.view(), (100, 4)))
    assert "before the rollback: 16.0 %" in said
    evaluated(told.train(100), 0.97)
    assert "exact match 97.0 %" in header(told.view())
    assert "rollback" not in " ".join(look(AccuracyPanel(), told.view(), (100, 4)))


def test_a_rollback_is_on_the_accuracy_chart_before_the_next_evaluation(tmp_path: Path) -> None:
    told = gone_back(tmp_path).train(50)
    data = accuracy_data(told.view(), per_digit=False)
    assert data.extent is not None
    (rollback,) = (mark for mark in data.marks if mark.kind == "rollback")
    assert data.extent[0] <= rollback.x <= data.extent[1]


def test_the_header_says_at_which_stage_was_evaluated_where_there_is_room(tmp_path: Path) -> None:
    told = evaluated(Told(tmp_path).start().train(100), 0.97)
    assert "evaluated" not in header(told.view())
    told.remove().train(10)
    assert "exact match 97.0 % | step 110 | evaluated at stage 0" in header(told.view())
    mode = "attached, in control"
    narrow, _ = fit_parts(list(header_parts(told.view())), mode, 78, " · ")
    assert narrow[-1][0] == "exact match 97.0 %"


def test_a_held_run_says_so_in_the_header(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(100).remove().train(10)
    told.tell(CommandDone(step=110, id="a", command="hold", done=True, effect="held", held=True))
    assert "held at stage 1" in header(told.view())
    told.tell(CommandDone(step=110, id="b", command="hold", done=True, effect="on", held=False))
    assert "held" not in header(told.view())


def test_a_dead_run_promises_nothing(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(150)
    assert "The next token goes" in " ".join(look(RemovalPanel(), told.view(), (60, 20)))
    told.folder.unlock()
    dead = told.view()
    said = " ".join(look(RemovalPanel(), replace(dead, status="dead"), (60, 20)))
    assert "The trainer is gone: nothing is removed until the run is resumed." in said
    assert "The next token goes" not in said and "Everything is removed" not in said


def test_the_best_says_how_much_was_written(tmp_path: Path) -> None:
    told = evaluated(Told(tmp_path).start().train(100), 0.984)
    told.remove().train(100)
    evaluated(told, 0.26)
    facts = dict(summary_facts(told.view()))
    assert facts["best"] == "98.4 % at step 100, steps still written"
    evaluated(told.train(100), 0.99)
    best = dict(summary_facts(told.view()))["best"]
    assert best == "99.0 % at step 300, at stage 1, steps still written"


def test_a_model_that_fell_is_not_praised(tmp_path: Path) -> None:
    told = Told(tmp_path, tokens=1).start().train(100).remove()

    assert not _answers(told.view())
    assert _answers(evaluated(told, 0.98).view())
    assert not _answers(evaluated(told.train(100), 0.16).view())

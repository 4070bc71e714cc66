"""The removal panel: how much is gone, what goes next and when."""

import pytest

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    CommandDone,
    ExamplesCounted,
    PhaseBegan,
    RolledBack,
    RunEnded,
    RunResumed,
)
from icot_tui.tui.frame.header import header_parts
from icot_tui.tui.panels.removal import RemovalPanel
from tests.events import probed
from tests.screens.panel_run import Told, look

GATED = {"schedule": "loss_gated", "gate_loss": 0.5, "min_steps": 50, "max_steps": 300,
         "gate_window": 10}  # fmt: skip


def said(told, size=(80, 18), **how):
    return " ".join(look(RemovalPanel(), told.view(**how), size))


def test_it_says_how_many_tokens_are_gone_and_left(tmp_path):
    text = said(Told(tmp_path).start().train(100).remove(3).train(10), (60, 12))
    assert "stage 3 of 8" in text
    assert "5 tokens left to remove" in text


def test_the_bar_shows_removed_next_and_remaining_tokens(tmp_path):
    lines = look(RemovalPanel(), Told(tmp_path).start().train(100).remove(2).view(), (36, 6))
    assert lines[1] == "░" * 8 + "▒" * 4 + "█" * 20


def test_a_bar_of_more_tokens_than_cells_still_marks_the_next(tmp_path):
    told = Told(tmp_path, tokens=1000).start().train(100).remove(999)
    bar = look(RemovalPanel(), told.view(), (36, 6))[1]
    assert bar == "░" * 31 + "▒"


def test_removed_tokens_are_ghosts_that_read_without_colour(tmp_path):
    told = Told(tmp_path).start().train(100).remove(3).train(10)
    assert ". . . [+] 0 0 3 0" in said(told, ascii=True)
    assert "0 7 2 + 0 0 3 0" in said(told)


def test_the_next_token_to_go_is_pointed_at(tmp_path):
    lines = look(RemovalPanel(), Told(tmp_path).start().train(100).remove(3).view(), (80, 18))
    caret = next(each for each in lines if "goes next" in each)
    above = lines[lines.index(caret) - 1]
    assert above[caret.index("▲")] == "+"


def test_steps_go_whole_and_are_counted_as_such(tmp_path):
    told = Told(tmp_path).start(steps=(4, 4)).train(100).remove(1).train(10)
    text = said(told, ascii=True)
    assert "stage 1 of 2" in text and "1 reasoning step left to remove" in text
    assert ". . . . [0] [0] [3] [0]" in text
    assert "The last reasoning step goes" in text
    text = said(told.remove(1))
    assert "All 2 reasoning steps are removed" in text


def test_what_stands_in_the_place_of_steps_is_said_where_there_is_room(tmp_path):
    sections = {"method": {"name": "coconut"}, "curriculum": {"unit": "step"}}
    told = Told(tmp_path, **sections).start("Coconut", steps=(4, 4)).train(100).remove(1).train(10)
    assert "2 thoughts, 1 reasoning step left to remove" in said(told)
    assert "2 thoughts, 1 step left" in said(told, (52, 8))
    assert "thoughts" not in said(told, (34, 8))
    assert "4 thoughts, ✓ all removed" in said(told.remove(1))


def test_question_and_answer_stand_there_as_people_write_them(tmp_path):
    text = said(Told(tmp_path).start().train(10))
    assert "30 * 19" in text and "570" in text and "####" not in text


def test_a_linear_schedule_tells_the_steps_until_the_next_removal(tmp_path):
    text = said(Told(tmp_path).start().train(100).remove().train(40))
    assert "The next token goes in 60 steps" in text
    assert "Everything is removed in 660 steps" in text


def test_a_loss_gate_tells_what_it_waits_for(tmp_path):
    told = Told(tmp_path, curriculum=GATED).start().train(100, 0.61)
    text = said(told, (120, 18))
    assert "when the loss is below 0.5 (now 0.610), or after 200 steps" in text
    told.remove().train(20, 0.4)
    assert "(now 0.400), in 30 steps" in said(told, (120, 18))


def test_a_gate_on_the_rows_at_the_stage_says_whose_loss_it_waits_for(tmp_path):
    """The loss that is journaled is of all rows: it is not shown as the one to fall."""
    for per, which in (("token", "the loss"), ("example", "an example's summed loss")):
        gate = GATED | {"gate_rows": "scheduled", "gate_per": per}
        told = Told(tmp_path, name=per, curriculum=gate).start().train(100, 0.61)
        text = said(told, (120, 18))
        assert f"when {which} at this stage is below 0.5, or after 200 steps" in text
        assert "now" not in text
        told.train(20, 0.6, gated_loss=0.731)
        assert "at this stage is below 0.5 (now 0.731), or after 180" in said(told, (120, 18))
        told.remove()
        assert "now" not in said(told, (120, 18))


def test_of_a_loss_of_several_parts_the_gate_waits_for_the_tokens_own(tmp_path):
    sections = {"method": {"name": "running_sums_stepwise"}, "curriculum": GATED}
    told = Told(tmp_path, **sections).start("running sums, ICoT-SI")
    text = said(told.train(60, 0.61, nll=0.6, running_sums=0.01), (120, 18))
    assert "when the nll is below 0.5, or after 240 steps" in text and "now" not in text
    panel = RemovalPanel()
    look(panel, told.view(), (78, 12))
    assert str(panel.border_title) == "removal: running sums, ICoT-SI"


def test_a_list_of_stages_tells_how_many_go_together(tmp_path):
    stages = [{"stage": 0, "steps": 100}, {"stage": 5, "steps": 100}, {"stage": 8, "steps": 10}]
    told = Told(tmp_path, curriculum={"schedule": "stages", "stages": stages}).start().train(40)
    assert "The next 5 tokens go in 60 steps" in said(told)
    told.train(60).remove(5)
    assert "All 3 remaining tokens go at once in 100 steps" in said(told)


def test_a_share_of_what_is_left_is_marked_and_told_as_what_goes_next(tmp_path):
    half = {"schedule": "linear", "remove_per_epoch": 1.0, "remove_share": 0.5}
    told = Told(tmp_path, curriculum=half).start().train(40)
    assert "The next 4 tokens go in 60 steps" in said(told)
    assert "Everything is removed in 360 steps" in said(told)
    assert "[0] [7] [2] [+] 0 0 3 0" in said(told, ascii=True)
    told.train(60).remove(4)
    assert look(RemovalPanel(), told.view(), (36, 6))[1] == "░" * 16 + "▒" * 8 + "█" * 8
    assert "The next 2 tokens go in 100 steps" in said(told)
    gated = Told(tmp_path, name="gated", curriculum=GATED | {"remove_share": 0.5}).start().train(60)
    assert "The next 4 tokens go when the loss is below 0.5" in said(gated)


def test_where_examples_have_stages_of_their_own_they_are_counted(tmp_path):
    mastery = {"schedule": "mastery", "keep_positions": True, "min_steps": 50, "max_steps": 300}
    told = Told(tmp_path, curriculum=mastery).start().train(100)
    told.tell(ExamplesCounted(step=100, least=0, examples=[620, 250, 130]))
    text = said(told, (120, 18))
    assert "when 90 % of the examples, each learnt by itself, are beyond it, or after 200" in text
    assert "Examples by tokens removed: 62.0% at 0, 25.0% at 1 and 13.0% at 2." in text
    told.tell(ExamplesCounted(step=100, least=1, examples=[10, 10, 10, 10, 30, 20, 10]))
    assert "Examples by tokens removed: 1 to 7, half of them at most 5." in said(told, (120, 18))
    told.remove().train(10)
    assert "in 40 steps at the earliest" in said(told, (120, 18))


def test_a_held_schedule_is_said_to_be_held_until_it_is_let_go(tmp_path):
    told = Told(tmp_path).start().train(100).remove()
    told.tell(CommandDone(step=100, id="a", command="hold", done=True, effect="stage 1 is held"))
    assert "The schedule is held at stage 1" in said(told)
    told.tell(
        CommandDone(step=100, id="b", command="hold", done=True, effect="the schedule goes on")
    ).train(10)
    assert "Held" not in said(told)


@pytest.mark.slow
def test_a_run_that_goes_back_or_on_is_held_if_it_was_at_that_checkpoint(tmp_path):
    def saved(path):
        return CheckpointSaved(step=told.step, path=path, stage=told.stage, bytes=100, seconds=0.1)

    told = Told(tmp_path).start().train(100).remove()
    told.tell(saved("step-00000100"))
    told.tell(
        CommandDone(step=100, id="a", command="hold", done=True, effect="stage 1 is held")
    ).train(20)
    told.tell(CommandDone(step=120, id="b", command="hold", done=False, effect="refused: so")).tell(
        saved("step-00000120")
    )
    assert "The schedule is held" in said(told)
    told.tell(RolledBack(step=120, checkpoint="step-00000100", stage=1, cause="by command"))
    assert "Held" not in said(told)
    told.tell(RunResumed(step=120, checkpoint="step-00000120"))
    assert "The schedule is held" in said(told)
    told.tell(RolledBack(step=120, checkpoint="step-00000120", stage=1, cause="by command"))
    assert "The schedule is held" in said(told)


def test_when_all_is_gone_it_celebrates(tmp_path):
    told = Told(tmp_path).start().train(100).remove(8).train(20)
    text = said(told)
    assert "Everything removed since step 100." in text
    assert "answers straight from the question" in text
    assert "all removed since" in said(told, (40, 5))


def test_a_run_that_ended_early_says_so(tmp_path):
    told = (
        Told(tmp_path)
        .start()
        .train(100)
        .remove()
        .tell(RunEnded(step=100, reason="stopped", finished=False))
    )
    assert "The run has ended at this stage: stopped." in said(told)
    assert "goes next" not in said(told) and "[" not in said(told, ascii=True)
    assert "▒" not in said(told)


@pytest.mark.parametrize(
    ("name", "title", "meaning"),
    [
        ("no_cot", "No CoT", "never sees a step"),
        ("explicit_cot", "Explicit CoT", "Nothing is removed"),
    ],
)
def test_a_baseline_says_what_it_means_instead(name, title, meaning, tmp_path):
    text = said(Told(tmp_path, method={"name": name}).start(title).train(20))
    assert title in text and meaning in text and "stage" not in text.split(title)[0]


@pytest.mark.slow
def test_no_token_goes_next_where_none_goes(tmp_path):
    told = Told(tmp_path, method={"name": "explicit_cot"}).start("Explicit CoT").train(20)
    assert "goes next" not in said(told) and "[" not in said(told, ascii=True)


def test_distillation_tells_which_training_it_is(tmp_path):
    sections = {"method": {"name": "distillation"}, "train": {"max_steps": 300}}
    told = Told(tmp_path, **sections).start("ICoT-KD").train(20)
    title = "the student learns to answer from the teacher's thoughts"
    told.tell(
        PhaseBegan(
            step=20,
            phase="student",
            number=2,
            phases=4,
            title=title,
            unit="nats a token",
            parameters=14464,
            steps_per_epoch=100,
        )
    ).train(10)
    lines = look(RemovalPanel(), told.view(), (80, 12))
    assert lines[0].split("  ")[0] == "ICoT-KD" and lines[0].endswith("training 2 of 4")
    bar = next(each for each in lines if "█" in each)
    assert [part[0] for part in bar.split()] == ["█", "▒", "░", "░"]
    assert title in " ".join(lines) and "goes next" not in " ".join(lines)
    header = [text for text, _ in header_parts(told.view())]
    assert "student (2 of 4)" in header


def test_before_the_run_it_says_what_will_appear(tmp_path):
    text = said(Told(tmp_path), phase="loading PyTorch")
    assert "Getting ready: loading PyTorch." in text and "chain of thought shrink" in text


def test_tokens_of_data_are_never_markup_or_control(tmp_path):
    text = said(Told(tmp_path).start(cot="[red] \x1b[31m [/] x").train(10))
    assert "[red]" in text and "\\x1b[31m" in text and "\x1b" not in text


def test_how_well_the_next_token_is_read_before_it_is_written(tmp_path):
    told = Told(tmp_path).start().train(100)
    assert "readable" not in said(told)
    told.tell(probed(100, 0, 0.83))
    assert (
        "Token 1, next to go, at step 100: readable before being written 0.83 "
        "(shuffled labels 0.21, most common token 0.29)."
    ) in said(told)
    told.remove().train(10)
    assert "Token 1, gone: readable before being written 0.83" in said(told)
    told.tell(probed(110, 1, None))
    assert "Token 1, gone: readable before being written 0.83" in said(told)  # no news since
    told.tell(probed(110, 1, 0.5)).remove(2)
    assert "readable" not in said(told)  # of neither
    told.train(10).tell(probed(120, 3, 0.31))
    assert "Token 4, next to go, at step 120: readable before being written 0.31" in said(told)
    assert "The next token goes" in said(told)


def test_a_resume_takes_back_how_well_it_was_read(tmp_path):
    told = Told(tmp_path).start().train(100)
    told.tell(
        CheckpointSaved(step=100, path="step-00000100", stage=0, bytes=100, seconds=0.1),
        probed(100, 0, 0.4),
    )
    assert "0.40" in said(told)
    told.tell(RunResumed(step=100, checkpoint="step-00000100"))
    assert "readable" not in said(told)

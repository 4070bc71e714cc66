"""ICoT-KD on the live screen: its trainings, its emulator, and no word of removals."""

from pathlib import Path

import numpy as np
from textual.pilot import Pilot

from icot_tui.engine.journal.events import (
    CheckpointSaved,
    LossSpike,
    PhaseBegan,
    RunEnded,
    RunResumed,
    SpikeRecovered,
    ThoughtsCompared,
)
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.frame.header import fit_parts, header_parts
from icot_tui.tui.panels.accuracy import AccuracyPanel, accuracy_data
from icot_tui.tui.panels.removal import RemovalPanel
from icot_tui.tui.panels.resets import ResetsPanel
from icot_tui.tui.panels.spikes import SpikesPanel
from icot_tui.tui.screens.summary import summary_facts
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.panel_run import Told, look
from tests.screens.workbench import drive, picture, posted, press, toasts, until

PHASES = ("teacher", "student", "emulator", "coupled")
DIGITS = [1.0, 1.0, 1.0, 1.0]
SECTIONS = {
    "method": {"name": "distillation"},
    "train": {"max_steps": 300},
    "distillation": {"emulator": {"max_steps": 40}},
}


def distilling(runs: Path, phases: int = 0, name: str = "told") -> Told:
    """A run of which so many trainings have begun, each evaluated twice, the second time worse."""
    told = Told(runs, name=name, **SECTIONS).start("ICoT-KD")
    for number, phase in enumerate(PHASES[:phases], start=1):
        told.stage = 0 if phase == "teacher" else told.tokens
        begin(told, number)
        for exact in (0.9, 0.5):
            told.train(20).evaluate(exact - number / 10, DIGITS)
            if phase == "emulator":
                told.tell(ThoughtsCompared(step=told.step, loss=1.2, blocks=[0.004, 1.25 * exact]))
    return told


def begin(told: Told, number: int) -> None:
    phase = PHASES[number - 1]
    told.tell(
        PhaseBegan(
            step=told.step,
            phase=phase,
            number=number,
            phases=4,
            title=f"the {phase} learns",
            unit="nats",
            parameters=1,
            steps_per_epoch=100,
        )
    )


def test_the_trainings_stand_there_with_their_results(tmp_path):
    told = distilling(tmp_path, phases=3)
    panel = RemovalPanel()
    lines = look(panel, told.view(), (80, 7))
    assert panel.border_title == "trainings"
    assert lines[0].split() == ["ICoT-KD", "training", "3", "of", "4"]
    assert lines[1].split()[:5] == ["✓", "teacher", "80.0", "%", "40"]
    assert lines[2].split()[:5] == ["✓", "student", "70.0", "%", "40"]
    assert "reading the teacher's thoughts" in lines[2]
    assert lines[3].split()[:4] == ["→", "emulator", "20.0", "%"]
    assert "step 40 of 40  error by block 0.004 0.625" in lines[3]
    assert lines[4].split() == ["coupled", "pair", "to", "come"]


def test_where_there_is_little_room_the_training_at_work_is_seen(tmp_path):
    lines = look(RemovalPanel(), distilling(tmp_path, phases=4).view(), (30, 4))
    assert "coupled pair" in lines[-1] and len(lines) == 2


def test_of_more_blocks_than_fit_the_whole_error_is_told(tmp_path):
    told = distilling(tmp_path, phases=3)
    told.tell(ThoughtsCompared(step=told.step, loss=3.5, blocks=[0.25] * 14))
    assert look(RemovalPanel(), told.view(), (80, 7))[3].endswith(
        "step 40 of 40  error 3.500 in all"
    )


def test_before_training_nothing_is_promised_that_the_method_does_not_do(tmp_path):
    told = Told(tmp_path, **SECTIONS)
    text = " ".join(look(RemovalPanel(), told.view(phase="loading PyTorch"), (80, 12)))
    assert "trainings" in text and "shrink" not in text


def test_the_emulators_error_of_each_block_stands_beside_what_it_was(tmp_path):
    panel = ResetsPanel()
    text = " ".join(look(panel, distilling(tmp_path, phases=1).view(), (40, 10)))
    assert panel.border_title == "emulator's error" and "Once the emulator trains" in text
    lines = look(ResetsPanel(), distilling(tmp_path, phases=4, name="later").view(), (26, 10))
    assert "step 120" in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["1", "2"]
    assert lines[2].split()[-2:] == ["0.004", "0.004"]
    assert lines[3].split()[-2:] == ["0.625", "1.125"]
    assert "█" in lines[3] and "█" not in lines[2]


def test_spikes_stand_by_their_step_where_no_removal_can_have_made_them(tmp_path):
    told = distilling(tmp_path, phases=1)
    assert "removal" not in " ".join(look(SpikesPanel(), told.view(), (60, 10)))
    told.tell(
        LossSpike(step=40, spike=1, removal=None, baseline=1.0, loss=2.0),
        SpikeRecovered(step=45, spike=1, removal=None, height=1.0, steps=5),
    )
    for width in (40, 60, 90):
        lines = look(SpikesPanel(), told.view(), (width, 10))
        assert lines[1].split()[0] == "step" and lines[2].split()[0] == "40"
        assert "token" not in lines[1] and "removal" not in lines[1]


def test_each_training_has_its_own_curve_and_the_present_ones_best(tmp_path):
    view = distilling(tmp_path, phases=3).view()
    data = accuracy_data(view, per_digit=False)
    assert [curve.name for curve in data.curves] == ["teacher", "student", "emulator"]
    assert [curve.x.tolist() for curve in data.curves] == [[20, 40], [60, 80], [100, 120]]
    assert len({curve.colour for curve in data.curves}) == 3 and data.levels == ()
    text = " ".join(look(AccuracyPanel(), view, (80, 16)))
    assert "best so far 60.0 %, reading the emulator's thoughts" in text
    digits = accuracy_data(view, per_digit=True).curves
    assert all(np.array_equal(curve.x, [100, 120]) for curve in digits)


def test_the_log_and_the_summary_say_what_was_read_before_the_answer(tmp_path):
    view = distilling(tmp_path, phases=2).view()
    told = [line.text for line in view.history.log if line.kind == "Evaluated"]
    assert told[0].endswith("on 200 examples, writing its steps")
    assert told[-1].endswith("on 200 examples, reading the teacher's thoughts")
    facts = dict(summary_facts(view))
    assert facts["training"] == "student (2 of 4)" and "stage" not in facts
    assert facts["exact match"].startswith("30.0 %, reading the teacher's thoughts (")


def test_a_resume_undoes_a_training_that_began_later(tmp_path):
    told = distilling(tmp_path, phases=1)
    told.tell(
        CheckpointSaved(step=40, path="step-00000040-1-teacher", stage=0, bytes=1, seconds=0.1)
    )
    begin(told, 2)
    told.train(10).evaluate(0.1, DIGITS)
    told.step = 40
    history = told.tell(RunResumed(step=40, checkpoint="step-00000040-1-teacher")).view().history
    assert [training.began.phase for training in history.trainings] == ["teacher"]
    begin(told, 2)
    history = told.view().history
    assert history.evaluations == [] and len(history.evaluations_of(0)) == 2


def test_the_header_names_the_training_before_all_that_one_may_do(tmp_path):
    told = distilling(tmp_path, phases=4, name="compare-2x2-cpu-icot-kd-s0")
    told.tell(RunEnded(step=told.step, reason="done", finished=True))
    known = list(header_parts(told.view()))
    for mode, shown in (("watching", "watching"), ("replay, 20 times as fast", "replay")):
        left, mode = fit_parts(known, mode, 78, " · ")
        assert left[2][0] == "coupled pair (4 of 4)" and mode == shown
    assert fit_parts(known[:1], "watching, in control", 50, " · ")[1] == "watching, in control"


def test_what_has_to_do_with_removals_is_not_offered(tmp_path: Path) -> None:
    told = distilling(tmp_path, phases=2)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        names = {action.name for action in app.actions.runner.available()}
        assert "rollback" in names and not names & {"hold", "advance", "set-delta"}
        assert "hold" not in picture(app)[-1]
        await press(pilot, "h")
        await until(pilot, lambda: "This run's method removes nothing step by step." in toasts(app))
        assert posted(queue) == [] and app.screen is app.live

    drive(tmp_path, steps, told.source, (80, 24), control=True)

"""Each command by key: asked, explained, posted, and its effect told."""

from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from icot_tui.engine.journal.events import CommandDone, Paused, RunEnded
from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command, CommandQueue
from icot_tui.tui.actions.run_commands import TIMEOUT, CommandSender
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.panel_run import Told
from tests.screens.workbench import a_run, answer, dialog, drive, posted, press, toasts, until

SMALL = (80, 24)
"""Drawn quickly."""


def about(app: WorkbenchApp) -> str:
    return str(dialog(app).query_one("#about", Static).render())


COMMANDS: list[tuple[tuple[str, ...], Command]] = [
    (("p",), commands.Pause()),
    (("h", "enter"), commands.Hold(on=True)),
    (("h", "y"), commands.Hold(on=False)),
    (("a", "enter"), commands.Advance(tokens=1)),
    (("a", "2", "enter"), commands.Advance(tokens=2)),
    (("b", "enter"), commands.Rollback(step=100)),
    (("b", "down", "enter"), commands.Rollback(step=0)),
    (("o", "y"), commands.ResetOptimizer()),
    (("e",), commands.Evaluate()),
    (("s",), commands.Save()),
    (("d", "enter"), commands.SetRemovePerEpoch(remove_per_epoch=1.0)),
    (("d", "4", "enter"), commands.SetRemovePerEpoch(remove_per_epoch=4.0)),
    (("l", "1", "e", "minus", "4", "enter"), commands.SetLearningRate(learning_rate=1e-4)),
    (("X", "enter"), commands.Stop(save=True)),
    (("X", "n"), commands.Stop(save=False)),
    (("colon", *"rollb", "enter", "enter"), commands.Rollback(step=100)),
]


@pytest.mark.slow
@pytest.mark.parametrize("commands", [COMMANDS[:6], COMMANDS[6:11], COMMANDS[11:]])
def test_each_key_posts_its_command_and_the_effect_is_told(
    tmp_path: Path, commands: list[tuple[tuple[str, ...], Command]]
) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        for number, (keys, wanted) in enumerate(commands):
            await press(pilot, *keys)
            sent: list[Command] = []
            await until(pilot, lambda sent=sent: bool(sent.extend(posted(queue)) or sent))  # type: ignore[misc]
            assert sent == [msgspec.structs.replace(wanted, id=sent[0].id)]
            answer(told, sent[0], True, f"it was done: {number}")
            await until(pilot, lambda: f"It was done: {number}." in toasts(app))  # noqa: B023

    drive(tmp_path, steps, told.source, SMALL, control=True)


@pytest.mark.slow
def test_nothing_is_posted_when_one_thinks_better_of_it(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        for keys in ("hn", "h", "a", "X", "b", "a0\r", "dx\r", "a9\r"):
            named = ["enter" if key == "\r" else key for key in keys]
            await press(pilot, *named, *(["escape"] if keys != "hn" else []))
            assert posted(queue) == [], keys
            assert app.screen is app.live

    drive(tmp_path, steps, told.source, SMALL, control=True)


@pytest.mark.slow
def test_what_a_number_means_is_told_while_it_is_written(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "a")
        assert "from 2 to 3 of 8" in about(app)
        await press(pilot, "3")
        assert "from 2 to 5 of 8" in about(app)
        await press(pilot, "backspace", "9")
        assert "It can be 6 at most" in about(app)
        await press(pilot, "backspace", "x", "enter")
        assert "Enter a whole number" in about(app)
        await press(pilot, "escape", "l")
        assert dialog(app).query_one(Input).value == "5e-05"
        await press(pilot, "minus", "1")
        assert "above 0" in about(app)

    drive(tmp_path, steps, told.source, SMALL, control=True)


def test_only_a_linear_schedule_is_asked_for_its_pace(tmp_path: Path) -> None:
    told = Told(tmp_path, curriculum={"schedule": "loss_gated", "gate_loss": 0.5}).start()

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "d")
        told_so = "Only a linear schedule removes a number of tokens per epoch."
        await until(pilot, lambda: told_so in toasts(app))
        assert app.screen is app.live

    drive(tmp_path, steps, told.source, SMALL, control=True)


def test_checkpoints_are_listed_with_stage_and_accuracy(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "b")
        options = dialog(app).query_one(OptionList)
        lines = [str(options.get_option_at_index(at).prompt) for at in range(2)]
        assert lines[0].split()[:4] == ["100", "0", "90.0", "%"]
        assert lines[1].split()[0] == "0"
        assert "The 150 steps of training since are undone" in about(app)

    drive(tmp_path, steps, told.source, SMALL, control=True)


def test_the_key_for_pause_lets_a_paused_run_go_on_and_hold_lets_go(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)
    told.tell(
        Paused(step=250, reason="by command"),
        CommandDone(
            step=250, id="x", command="hold", done=True, effect="stage 2 is held", held=True
        ),
    )

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "p", "h")
        assert "Release the removal schedule" in str(dialog(app).query(Static).first().render())
        await press(pilot, "enter")
        sent = posted(queue)
        assert [one.name for one in sent] == ["resume", "hold"]
        assert sent[1] == commands.Hold(on=False, id=sent[1].id)

    drive(tmp_path, steps, told.source, SMALL, control=True)


@pytest.mark.slow
def test_what_was_confirmed_is_sent_whatever_others_did_meanwhile(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)
    held = CommandDone(step=250, id="x", command="hold", done=True, effect="", held=True)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "h")
        assert "Hold the removal schedule" in str(dialog(app).query(Static).first().render())
        told.tell(held)
        await until(pilot, lambda: app.monitor.view.history.summary.metrics.held)
        await press(pilot, "enter")
        assert [one.on for one in posted(queue) if isinstance(one, commands.Hold)] == [True]

    drive(tmp_path, steps, told.source, SMALL, control=True)


@pytest.mark.slow
def test_a_refusal_is_told_as_the_run_says_it(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "s")
        answer(told, posted(queue)[0], False, "refused: the [bold]disk[/] is full\x1b[2J")
        await until(pilot, lambda: r"Refused: the [bold]disk[/] is full\x1b[2J." in toasts(app))

    drive(tmp_path, steps, told.source, SMALL, control=True)


@pytest.mark.slow
def test_a_viewer_can_not_step_in_and_is_told_how_to(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, *"phabesoldX")
        assert posted(queue) == []
        assert any("T takes control" in toast for toast in toasts(app))
        assert not any(action.run_command for action in app.actions.runner.available())

    drive(tmp_path, steps, told.source, SMALL)


def test_a_run_that_has_ended_takes_no_commands(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    told.tell(RunEnded(step=250, reason="stopped by command, after saving", finished=False))
    told.folder.unlock()

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "p")
        assert any("No trainer is running" in toast for toast in toasts(app))

    drive(tmp_path, steps, told.source, SMALL, control=True)


def test_silence_is_told_once_and_a_late_answer_still_is(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    wanted = commands.Save()
    mine = CommandSender(told.folder)
    assert mine.send(wanted, now=0.0) is None
    assert mine.results(now=5.0) == []
    silence = mine.results(now=TIMEOUT + 1)
    assert len(silence) == 1 and "has not answered 'save' for 10 s" in silence[0][0]
    assert mine.results(now=60.0) == [] and mine.waiting
    answer(told, wanted, True, "saved at step 250")
    assert mine.results(now=61.0) == [("Saved at step 250.", True)]
    assert not mine.waiting and mine.results(now=62.0) == []


def test_a_trainer_that_ends_without_an_answer_is_told(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    mine = CommandSender(told.folder)
    mine.send(commands.Save(), now=0.0)
    told.folder.unlock()
    assert "ended before it answered" in mine.results(now=11.0)[0][0]
    assert not mine.waiting
    problem = mine.send(commands.Save(), now=12.0)
    assert problem is not None and "icot-tui resume" in problem[0]


@pytest.mark.slow
def test_control_is_taken_and_given_back_without_leaving_the_screen(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    queue = CommandQueue(told.folder.control)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        assert app.actions.mode() == "watching"
        await press(pilot, "s")
        await until(pilot, lambda: any("T takes control" in toast for toast in toasts(app)))
        assert not posted(queue)
        await press(pilot, "T", "n")
        assert app.actions.mode() == "watching"
        await press(pilot, "T", "y")
        await until(pilot, lambda: app.actions.mode() == "attached, in control")
        await press(pilot, "s")
        sent: list[Command] = []
        await until(pilot, lambda: bool(sent.extend(posted(queue)) or sent))  # type: ignore[func-returns-value]
        assert [type(command) for command in sent] == [commands.Save]
        await press(pilot, "T", "s")
        assert app.actions.mode() == "watching" and not posted(queue)

    drive(tmp_path, steps, told.source, SMALL)


def test_control_that_was_taken_is_of_one_run(tmp_path: Path) -> None:
    told, other = a_run(tmp_path), a_run(tmp_path, "other")

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "T", "y")
        await until(pilot, lambda: app.actions.mode() == "attached, in control")
        app.monitor.open(other.folder)
        app.draw()
        await until(pilot, lambda: app.view is not None and app.view.running)
        assert app.actions.mode() == "watching"
        app.monitor.open(told.folder)
        app.draw()
        assert app.actions.mode() == "attached, in control"

    drive(tmp_path, steps, told.source, SMALL)


def test_control_of_another_user_s_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = a_run(tmp_path)
    monkeypatch.setattr("os.getuid", lambda: 987_654)

    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "T")
        await until(pilot, lambda: any("another user" in toast for toast in toasts(app)))

    drive(tmp_path, steps, told.source, SMALL)

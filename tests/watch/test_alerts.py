from dataclasses import dataclass
from pathlib import Path

from icot_tui.engine.journal.events import (
    CheckpointFailed,
    Collapsed,
    Event,
    LossSpike,
    Paused,
    RunEnded,
    RunResumed,
    UpdatesSkipped,
)
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.alerts import LITTLE_DISK, STRETCH, Alert, AlertRules
from icot_tui.watch.history import LOG_LINES
from icot_tui.watch.source import RunFollower
from tests.events import STARTED, saved, trained
from tests.watch.runs import BEGAN, make

ROOMY = 100 * LITTLE_DISK


@dataclass
class Watched:
    folder: RunFolder
    follower: RunFollower
    rules: AlertRules
    now: float = BEGAN + 10

    def look(self, *events: Event, disk_free: int | None = ROOMY) -> list[str]:
        with open(self.folder.journal, "ab") as file:
            for event in events:
                self.now += 1
                file.write(encode_line(self.now, event))
        self.follower.poll()
        return [alert.kind for alert in self.alerts(disk_free)]

    def alerts(self, disk_free: int | None = None) -> list[Alert]:
        status = self.follower.status(self.now)
        return self.rules.look(self.follower, status, disk_free, self.now)


def watched(tmp_path: Path, *events: Event) -> Watched:
    folder = make(tmp_path, events=[STARTED, trained(1), *events])
    folder.lock()
    result = Watched(folder, RunFollower(folder), AlertRules())
    assert result.look() == []
    return result


def test_a_collapse_is_told_once(tmp_path: Path) -> None:
    run = watched(tmp_path)
    assert run.look(LossSpike(step=1, spike=1, removal=1, baseline=0.5, loss=2.0)) == []
    assert run.look(Collapsed(step=1, spike=1, removal=1, height=2.0, steps=80)) == ["collapse"]
    assert run.look() == run.look(trained(2)) == []
    assert run.look(
        LossSpike(step=2, spike=2, removal=None, baseline=0.5, loss=2.0),
        Collapsed(step=2, spike=2, removal=None, height=2.0, steps=80),
    ) == ["collapse"]


def test_losses_that_are_not_finite_are_told_once_in_a_while(tmp_path: Path) -> None:
    run = watched(tmp_path)
    assert run.look(UpdatesSkipped(step=5, skipped=1, in_a_row=1)) == ["not finite"]
    assert run.look(UpdatesSkipped(step=9, skipped=1, in_a_row=2)) == []
    assert run.look(trained(9 + STRETCH // 2)) == []
    assert run.look(UpdatesSkipped(step=9 + 2 * STRETCH, skipped=1, in_a_row=1)) == ["not finite"]


def test_a_run_that_has_stopped_writing(tmp_path: Path) -> None:
    run = watched(tmp_path)
    run.now += 10_000
    assert run.look() == ["stalled"]
    assert run.look() == []
    assert run.look(trained(2)) == []
    run.now += 100_000
    assert run.look() == ["stalled"]


def test_a_run_that_dies_and_is_resumed(tmp_path: Path) -> None:
    run = watched(tmp_path, saved(1))
    run.folder.unlock()
    assert run.look() == ["died"]
    assert run.look() == []
    run.folder.lock()
    assert run.look(RunResumed(step=1, checkpoint="step-00000001"), trained(2)) == ["resumed"]
    run.folder.unlock()
    assert run.look() == ["died"]


def test_the_end_of_a_run(tmp_path: Path) -> None:
    run = watched(tmp_path)
    assert run.look(RunEnded(step=1, reason="stopped by command", finished=False)) == ["stopped"]
    assert run.look(
        RunResumed(step=1, checkpoint="x"),
        trained(2),
        RunEnded(step=2, reason="done", finished=True),
    ) == ["resumed", "finished"]
    assert run.look() == []


def test_what_was_so_at_the_first_look_is_no_news(tmp_path: Path) -> None:
    folder = make(
        tmp_path,
        events=[
            STARTED,
            UpdatesSkipped(step=1, skipped=1, in_a_row=1),
            LossSpike(step=1, spike=1, removal=1, baseline=0.5, loss=2.0),
            Collapsed(step=1, spike=1, removal=1, height=2.0, steps=80),
            RunEnded(step=1, reason="done", finished=True),
        ],
    )
    run = Watched(folder, RunFollower(folder), AlertRules())
    assert run.look() == run.look() == []


def test_nothing_is_told_while_the_journal_is_being_read(tmp_path: Path) -> None:
    folder = make(tmp_path, events=[STARTED])
    follower, rules = RunFollower(folder), AlertRules()
    assert rules.look(follower, "dead", ROOMY, BEGAN) == []
    follower.poll()
    assert rules.look(follower, "dead", ROOMY, BEGAN) == []  # dead, but that is old


def test_little_disk_is_told_again_only_after_there_was_room(tmp_path: Path) -> None:
    run = watched(tmp_path)
    full = LITTLE_DISK // 2
    assert run.look(disk_free=full) == ["disk"]
    assert run.look(disk_free=full) == []
    assert run.look(disk_free=LITTLE_DISK + 1) == []
    assert run.look(disk_free=full) == []
    assert run.look(disk_free=None) == run.look(disk_free=ROOMY) == []
    assert run.look(disk_free=full) == ["disk"]


def test_a_checkpoint_that_could_not_be_written(tmp_path: Path) -> None:
    run = watched(tmp_path)
    assert run.look(CheckpointFailed(step=1, reason="no space left")) == ["checkpoint"]
    assert run.look() == []


def test_a_run_that_waits_for_the_user(tmp_path: Path) -> None:
    run = watched(tmp_path)
    assert run.look(Paused(step=1, reason="9 updates in a row were not finite")) == ["paused"]


def test_texts_name_the_run_and_what_it_means(tmp_path: Path) -> None:
    run = watched(tmp_path)
    with open(run.folder.journal, "ab") as file:
        file.write(
            encode_line(
                run.now, RunEnded(step=1, reason="the recipe is carried out", finished=True)
            )
        )
    run.follower.poll()
    (alert,) = run.alerts()
    assert alert.text == "run finished: the recipe is carried out"
    assert (alert.severity, alert.time) == ("information", run.now)


def test_what_came_before_a_trainer_began_is_no_news(tmp_path: Path) -> None:
    events = [
        STARTED,
        UpdatesSkipped(step=1, skipped=1, in_a_row=1),
        RunResumed(step=1, checkpoint="step-00000001"),
        CheckpointFailed(step=2, reason="no space left"),
    ]
    folder = make(tmp_path, events=events)
    run = Watched(folder, RunFollower(folder), AlertRules(since=BEGAN + 2))
    assert run.look() == ["resumed", "checkpoint", "died"]
    assert run.look() == []


def test_a_log_longer_than_what_is_kept_of_it(tmp_path: Path) -> None:
    run = watched(tmp_path)
    run.look(*[saved(step) for step in range(2, LOG_LINES + 10)])
    assert run.look(CheckpointFailed(step=9999, reason="no space left")) == ["checkpoint"]

"""A run tells by itself: real trainers, real commands, the user's real settings file."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from icot_tui.cli.app import run as icot_tui
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.alerting import alerted
from tests.forked import ForkedProcess
from tests.tiny import tiny, train, train_new
from tests.tiny_file import tiny_toml

WRITER = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"

ENDED = RunEnded(step=1, reason="done", finished=True)
NOT_FINITE = tiny(train={"learning_rate": 1e12, "warmup_steps": 0, "max_skipped": 1000})


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that every alert is appended to, through the user's settings."""
    sent = tmp_path / "sent.jsonl"
    set_up(tmp_path, f"command = {json.dumps([sys.executable, '-c', WRITER, str(sent)])}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return sent


def set_up(tmp_path: Path, *lines: str) -> None:
    settings = tmp_path / "config" / "icot-tui" / "settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("\n".join(("[alerts]", *lines)))


def alerts(sent: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in sent.read_text().splitlines()] if sent.exists() else []


def kinds(sent: Path) -> list[str]:
    return [alert["kind"] for alert in alerts(sent)]


def wait_for(what: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_tells_that_it_finished_and_that_it_goes_on(tmp_path: Path, sent: Path) -> None:
    folder = train_new(tmp_path / "runs", tiny())
    (alert,) = alerts(sent)
    assert alert["kind"] == "finished" and alert["folder"] == str(folder.path)
    assert alert["text"].startswith("tiny finished: ")
    train(folder)
    assert kinds(sent)[1:] == ["resumed", "finished"]
    assert not folder.log.read_text()


@pytest.mark.slow
def test_a_run_tells_why_it_failed_and_what_is_not_finite(tmp_path: Path, sent: Path) -> None:
    def fail(event: object) -> None:
        raise RuntimeError("the cable is out")

    with pytest.raises(RuntimeError):
        train_new(tmp_path / "runs", tiny(), listen=fail)
    with pytest.raises(UserError):
        train_new(tmp_path / "runs", tiny(data={"train_examples": 3}))
    first, second = alerts(sent)
    assert first["text"] == "tiny failed: RuntimeError: the cable is out"
    assert first["kind"] == second["kind"] == "failed"
    assert "lower train.batch_size" in second["text"]
    sent.unlink()

    def delete(event: object) -> None:
        shutil.rmtree(tmp_path / "deleted", ignore_errors=True)

    train_new(tmp_path / "deleted", tiny(), listen=delete)
    (deleted,) = alerts(sent)
    assert deleted["kind"] == "failed" and "tiny was deleted: start it again" in deleted["text"]
    sent.unlink()
    settings = tmp_path / "config" / "icot-tui" / "settings.toml"
    settings.write_text(settings.read_text() + '\nkinds = ["not finite", "collapse"]')
    train_new(tmp_path / "runs", NOT_FINITE)
    assert kinds(sent) == ["not finite"]


@pytest.mark.slow
def test_a_killed_trainer_is_told_by_the_process_beside_it(tmp_path: Path, sent: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(tiny_toml(max_steps=100_000_000, evaluate_every=1_000_000))
    trainer = ForkedProcess(["train", str(config), "--quiet"], cwd=tmp_path, env=os.environ)
    journal = tmp_path / "runs" / "tiny" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes(), 60)
    trainer.kill()
    trainer.wait()
    wait_for(lambda: kinds(sent), 30)
    assert kinds(sent) == ["died"]


@pytest.mark.slow
def test_a_target_that_fails_is_logged_once_and_stops_nothing(tmp_path: Path, sent: Path) -> None:
    set_up(tmp_path, 'command = ["/nowhere"]')
    folder = train_new(tmp_path / "runs", NOT_FINITE)
    assert folder.log.read_text().count("the alert command failed: FileNotFoundError") == 1


def test_settings_with_a_mistake_are_told_and_stop_nothing(
    tmp_path: Path, sent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(tmp_path, "command = 3")
    assert alerted(RunFolder(tmp_path), lambda: ENDED) == ENDED
    assert "settings.toml:2: alerts.command" in capsys.readouterr().err


def test_a_run_folder_cannot_name_a_command(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "empty"))
    run = tmp_path / "from-elsewhere"
    run.mkdir()
    for name in ("settings.toml", "config.toml", "icot-tui/settings.toml"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(f'[alerts]\ncommand = ["touch", "{tmp_path}/touched"]\n')
    monkeypatch.chdir(run)
    assert alerted(RunFolder(run), lambda: ENDED) == ENDED
    assert not (run / "log.txt").exists()  # no process was started
    assert not (tmp_path / "touched").exists()


def test_alerts_test_tries_every_target(
    tmp_path: Path, sent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert icot_tui(["alerts", "test"]) == 0
    assert "sent in" in capsys.readouterr().out
    assert kinds(sent) == ["test"]
    set_up(tmp_path, 'command = ["false"]')
    assert icot_tui(["alerts", "test"]) == 1
    assert "failed: it ended with status 1" in capsys.readouterr().out
    set_up(tmp_path)
    assert icot_tui(["alerts", "test"]) == 2
    assert "no alerts are set up" in capsys.readouterr().err
    set_up(tmp_path, 'addresses = ["nonsense"]')
    assert icot_tui(["alerts", "test"]) == 2
    assert "settings.toml:2: alerts.addresses" in capsys.readouterr().err

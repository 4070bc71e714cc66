import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from icot_tui.config.alerts import AlertSettings
from icot_tui.watch.alerts import Alert
from icot_tui.watch.notifier import MOST_WAITING, Notifier, notice_of, targets

ALERT = Alert("collapse", 'odd "text" $(touch x)\x00\n', "error", 12.5)
NOTICE = notice_of(ALERT, Path("/runs/run"))
WRITER = (
    "import json,os,sys; from pathlib import Path;"
    "Path(sys.argv[1]).write_text(json.dumps([json.load(sys.stdin),"
    " {k: v for k, v in os.environ.items() if k.startswith('ICOT_TUI_ALERT')}]))"
)


def notifier(told: list[str], seconds: float = 10.0, **settings: object) -> Notifier:
    return Notifier(targets(AlertSettings.model_validate(settings)), told.append, seconds)


def wait_for(what, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.02)
    return False


@contextmanager
def server(status: int = 200, delay: float = 0.0) -> Iterator[tuple[str, list[dict]]]:
    received: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(length)) | {"path": self.path})
            time.sleep(delay)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}/hook", received
        one.shutdown()


def test_a_command_gets_the_alert(tmp_path: Path) -> None:
    told: list[str] = []
    out = tmp_path / "out.json"
    sending = notifier(told, command=[sys.executable, "-c", WRITER, str(out)])
    sending.send(NOTICE)
    sending.finish()
    notice, environment = json.loads(out.read_text())
    assert notice == {
        "run": "run", "folder": "/runs/run", "kind": "collapse", "severity": "error",
        "text": ALERT.text, "time": 12.5,
    }  # fmt: skip
    assert environment["ICOT_TUI_ALERT_KIND"] == "collapse"
    assert environment["ICOT_TUI_ALERT_TEXT"] == ALERT.text.replace("\0", " ")
    assert told == []


@pytest.mark.slow
def test_a_webhook_and_an_address_of_apprise_get_the_alert() -> None:
    pytest.importorskip("apprise")
    told: list[str] = []
    with server() as (url, received):
        address = url.replace("http://", "json://") + "/apprise"
        sending = notifier(told, webhook=url, addresses=[address])
        sending.send(NOTICE)
        sending.finish()
    posted, through_apprise = sorted(received, key=lambda one: len(one["path"]))
    assert posted["text"] == ALERT.text and posted["run"] == "run"
    assert through_apprise["message"].startswith('odd "text"')
    assert through_apprise["type"] == "failure" and "collapse" in through_apprise["title"]
    assert told == []


def test_trouble_is_told_without_secrets_and_nothing_is_raised(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    told: list[str] = []
    with server(status=500) as (url, _):
        for settings in (
            {"command": [str(tmp_path / "gone")]},
            {"command": [sys.executable, "-c", "exit(3)", "secret"]},
            {"webhook": "http://127.0.0.1:1/secret"},
            {"webhook": url},
            {"addresses": ["json://me:secret@127.0.0.1:1/"]},
            {"addresses": ["rubbish://secret"]},
        ):
            sending = notifier(told, **settings)
            sending.send(NOTICE)
            sending.finish()
    causes = (
        "the alert command failed: FileNotFoundError",
        "the alert command failed: it ended with status 3",
        "the alert webhook failed: URLError",
        "the alert webhook failed: HTTPError: HTTP Error 500",
        "the alert address json://… failed: A Connection error",
        "the alert address rubbish://… failed: apprise does not know",
    )
    assert len(told) == len(causes)
    for sentence, cause in zip(told, causes, strict=True):
        assert sentence.startswith(cause) and "secret" not in sentence


def test_what_takes_too_long_is_given_up_and_does_not_hold_up() -> None:
    told: list[str] = []
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    sending = notifier(told, seconds=0.5, command=sleeper)
    began = time.monotonic()
    for _ in range(MOST_WAITING + 3):  # one is under way at most
        sending.send(NOTICE)
    assert time.monotonic() - began < 5
    assert wait_for(lambda: "longer than 0.5 seconds" in " ".join(told)), told
    assert sum("too slow" in sentence for sentence in told) >= 2
    with server(delay=5) as (url, _):
        notifier(told, seconds=0.2, webhook=url).send(NOTICE)
        assert wait_for(lambda: "alert webhook failed" in told[-1])

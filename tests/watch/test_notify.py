import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from icot_tui.watch.alerts import MOST_AT_ONCE, Alert, Notifier

ALERT = Alert("collapse", 'odd "text" $(touch x)\x00\n', "error", 12.5)
WRITER = (
    "import json,os,sys; from pathlib import Path;"
    "Path(sys.argv[1]).write_text(json.dumps([json.load(sys.stdin),"
    " {k: v for k, v in os.environ.items() if k.startswith('ICOT_TUI_ALERT')}]))"
)


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
            received.append(json.loads(self.rfile.read(length)))
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
    notifier = Notifier([sys.executable, "-c", WRITER, str(out)], trouble=told.append)
    notifier.send(ALERT, "run", "/runs/run")
    assert wait_for(lambda: out.exists() and out.read_text().endswith("]"))
    notice, environment = json.loads(out.read_text())
    assert notice == {
        "run": "run", "folder": "/runs/run", "kind": "collapse", "severity": "error",
        "text": ALERT.text, "time": 12.5,
    }  # fmt: skip
    assert environment["ICOT_TUI_ALERT_KIND"] == "collapse"
    assert environment["ICOT_TUI_ALERT_TEXT"] == ALERT.text.replace("\0", " ")
    assert told == []


def test_an_address_gets_the_alert() -> None:
    told: list[str] = []
    with server() as (url, received):
        Notifier(url=url, trouble=told.append).send(ALERT, "run", "/runs/run")
        assert wait_for(lambda: received)
    assert received[0]["text"] == ALERT.text
    assert told == []


def test_trouble_is_told_and_nothing_raised(tmp_path: Path) -> None:
    told: list[str] = []
    Notifier([str(tmp_path / "gone")], trouble=told.append).send(ALERT, "r", "f")
    Notifier([sys.executable, "-c", "exit(3)"], trouble=told.append).send(ALERT, "r", "f")
    Notifier(url="file:///etc/passwd", trouble=told.append).send(ALERT, "r", "f")
    Notifier(url="http://127.0.0.1:1/", trouble=told.append).send(ALERT, "r", "f")
    with server(status=500) as (url, _):
        Notifier(url=url, trouble=told.append).send(ALERT, "r", "f")
        assert wait_for(lambda: len(told) == 5), told
    assert sum("alert command failed" in sentence for sentence in told) == 2
    assert sum("alert address failed" in sentence for sentence in told) == 3


def test_what_takes_too_long_is_given_up_and_does_not_hold_up() -> None:
    told: list[str] = []
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    notifier = Notifier(sleeper, trouble=told.append, seconds=0.3)
    began = time.monotonic()
    for _ in range(MOST_AT_ONCE + 2):
        notifier.send(ALERT, "r", "f")
    assert time.monotonic() - began < 5
    assert wait_for(lambda: len(told) == MOST_AT_ONCE + 2), told
    assert sum("too slow" in sentence for sentence in told) == 2
    with server(delay=5) as (url, _):
        Notifier(url=url, trouble=told.append, seconds=0.2).send(ALERT, "r", "f")
        assert wait_for(lambda: "alert address failed" in told[-1])

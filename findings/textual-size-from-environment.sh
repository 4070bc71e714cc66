#!/usr/bin/env bash
# Guess:   a full-screen app asks its terminal how large it is, at its start and again at each SIGWINCH.
# Happens: Textual asks shutil.get_terminal_size, which takes COLUMNS and LINES from the environment before anything
#          else. Where they are exported, as `eval "$(resize)"` does and `docker exec -e COLUMNS -e LINES`, an app keeps
#          that size at every SIGWINCH, whatever its terminal has and becomes. An empty NO_COLOR is no wish by its own
#          convention, nor for Rich, but takes all colours from a Textual app.
# For us:  a viewer is open for hours, and its window changes; tui/session/driver.py asks the terminal first, and
#          tui/app/base.py leaves out a NO_COLOR that is empty.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8 rich==15.0.0
cat > "$work/app.py" <<'PY'
import os
from textual.app import App

class Sized(App):
    def on_resize(self, event):
        with open(os.environ["SIZES"], "a") as file:
            print(event.size.width, event.size.height, file=file)

Sized().run()
PY
"$work/venv/bin/python" - "$work" <<'PY'
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from rich.console import Console
from textual.app import App

work = Path(sys.argv[1])

def told(**environment):
    """The sizes that an app is told of in a terminal of 90 x 20, which becomes 100 x 25."""
    sizes = work / "sizes"
    sizes.write_text("")
    master, slave = pty.openpty()
    resize = lambda columns, rows: fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    resize(90, 20)
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment |= {"SIZES": str(sizes), "TERM": "xterm-256color"}
    app = subprocess.Popen(
        [sys.executable, work / "app.py"], stdin=slave, stdout=slave, stderr=slave, env=kept | environment, start_new_session=True
    )

    def drain():
        while True:
            try:
                if not os.read(master, 65536):
                    return
            except OSError:
                return

    threading.Thread(target=drain, daemon=True).start()
    deadline = time.monotonic() + 60
    while not sizes.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    resize(100, 25)
    app.send_signal(signal.SIGWINCH)
    time.sleep(2)
    app.kill()
    app.wait()
    return [tuple(map(int, line.split())) for line in sizes.read_text().splitlines()]

plain, exported = told(), told(COLUMNS="200", LINES="50")
print("textual 8.2.8 in a terminal of 90 x 20, then 100 x 25:")
print("  app is told", plain, "and with COLUMNS=200 LINES=50", exported)
assert plain[0] == (90, 20) and plain[-1] == (100, 25), plain
assert set(exported) == {(200, 50)}, exported
found = {}
for value in (None, "", "1"):
    os.environ.pop("NO_COLOR", None)
    if value is not None:
        os.environ["NO_COLOR"] = value
    found[value] = {"textual": App().no_color, "rich": Console().no_color}
print("  no colours with NO_COLOR =", found)
assert found[None] == {"textual": False, "rich": False} and found["1"] == {"textual": True, "rich": True}, found
assert found[""] == {"textual": True, "rich": False}, found
PY

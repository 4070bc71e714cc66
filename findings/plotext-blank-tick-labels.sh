#!/usr/bin/env bash
# Guess:   a tick whose label is a blank has no visible label.
# Happens: the label is taken for none at all. On the x axis the default marker is drawn in its place (▘); on the
#          y axis the setting is accepted, and building the figure raises an AttributeError.
# For us:  labels are names of runs and tokens; cli/plots/canvas.py leaves out ticks with blank labels.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check plotext==6.1.0
"$work/venv/bin/python" - <<'PY'
import plotext

def drawn(axis, side, label):
    plotext.terminal.limit(False, False)
    figure = plotext.figure.clear()
    figure.plot_size(20, 6)
    figure.draw(figure.signal([0, 1], [0, 1], marker="x"))
    figure.ruler(axis, side).ticks([0, 1], labels=["a", label])
    return figure.build().string(colorless=True)

assert "▘" not in drawn("x", "lower", "b") and "b" in drawn("x", "lower", "b")
assert "▘" in drawn("x", "lower", " ")
assert "b" in drawn("y", "left", "b")
try:
    drawn("y", "left", " ")
except AttributeError as error:
    print("plotext 6.1.0: a blank label on the y axis:", error)
else:
    raise SystemExit("a blank label on the y axis is drawn")
PY

#!/usr/bin/env bash
# Guess:   Content.join gives a content that knows its own width.
# Happens: once the width of the separator has been read, the result counts one separator too many, and a
#          Static pads its line too little. With a fresh separator the width is right.
# For us:  frame/footer.py makes a new separator for each line.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8
"$work/venv/bin/python" - <<'PY'
from textual.content import Content

def line(separator):
    parts = [Content("abc"), Content("def")]
    assert [part.cell_length for part in parts] == [3, 3]
    return separator.join(parts)

used = Content("  ")
assert used.cell_length == 2
assert line(used).plain == "abc  def" and line(used).cell_length == 10
assert line(Content("  ")).cell_length == 8
PY

#!/usr/bin/env bash
# Guess:   `--help` prints a command's docstring as it stands, unless the app asks for markup (rich_markup_mode).
# Happens: where rich is installed, markup is on by default: a word in square brackets in a docstring, an epilog or an
#          option's help is taken for a style and vanishes without an error ("The section [alerts] of your settings" becomes
#          "The section  of your settings"), [a, b] as well; [FILE] and [4x4] stay, since no tag begins like them.
# For us:  a test compares every help text with what rich makes of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check typer==0.29.2 rich==15.0.0
cat > "$work/program.py" <<'PY'
import typer

app = typer.Typer()


@app.command()
def send(to: str = typer.Option("", help="Overrides [mail] of the file.")) -> None:
    """The section [alerts] says where; [FILE], [4x4] and [a, b] are told too."""


app()
PY
COLUMNS=100 "$work/venv/bin/python" "$work/program.py" --help > "$work/help.txt"
grep -E "section|Overrides" "$work/help.txt"
grep -q "The section  says where; \[FILE\], \[4x4\] and  are told too\." "$work/help.txt"
grep -q "Overrides  of the file" "$work/help.txt"
echo "typer 0.29.2, rich 15.0.0: [alerts], [mail] and [a, b] are gone, [FILE] and [4x4] stay"

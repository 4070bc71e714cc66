"""The gate of all that is printed: no text of data, models or files commands a terminal."""

import sys

from icot_tui.formatting import plain_lines


def say(*texts: object, error: bool = False, flush: bool = False) -> None:
    """Print texts with blanks between them; control characters are shown, not obeyed."""
    print(
        plain_lines(" ".join(map(str, texts))),
        file=sys.stderr if error else sys.stdout,
        flush=flush,
    )


def hand_over(content: bytes) -> None:
    """Write a document as it is to a file or a pipe; on a terminal it is shown as `say` does."""
    stream = sys.stdout
    if stream.isatty():
        stream.write(plain_lines(content.decode(errors="backslashreplace")))
    else:
        stream.flush()
        stream.buffer.write(content)
    stream.flush()

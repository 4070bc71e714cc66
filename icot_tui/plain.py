"""Makes text from data, models and files safe to print."""

import re

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069"  # invisible, turning directions
    "\u2028\u2029\ufeff\ud800-\udfff]"  # odd line ends, byte order marks, lone surrogates
)


def plain(text: str) -> str:
    """The text on one line, with control characters escaped (`\\x1b`)."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

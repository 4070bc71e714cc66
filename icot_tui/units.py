"""What a stage counts; apart from the config, so that reading journals needs no config."""

from typing import Final, Literal

Unit = Literal["token", "step"]
"""What is removed at once, and what a stage counts."""
UNIT_WORDS: Final[dict[Unit, str]] = {"token": "token", "step": "reasoning step"}
"""For people, who also read of optimizer steps."""

"""What stages and losses count; apart from the config, so that reading journals needs none."""

from typing import Final, Literal

Unit = Literal["token", "step"]
"""What is removed at once, and what a stage counts."""
UNIT_WORDS: Final[dict[Unit, str]] = {"token": "token", "step": "reasoning step"}
"""For people, who also read of optimizer steps."""
NLL: Final = "nll"
"""The name of the negative log-likelihood, where it is only a part of the loss."""

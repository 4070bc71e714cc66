"""Records that pass between the playground's screen and its worker; nothing needs PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from icot_tui.formatting import count

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.checkpoints import CheckpointEntry

ViewName = Literal["probe", "lens", "attention", "attribution", "patching", "thoughts"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)


@dataclass(frozen=True)
class AskOptions:
    """How the model is to answer.

    raw      the question is in the model's own form
    sampled  draw the tokens, with this seed; None: the most likely ones
    written  chain-of-thought tokens to write, where the run allows it; None: as trained
    """

    raw: bool = False
    sampled: int | None = None
    written: int | None = None


@dataclass(frozen=True, eq=False)
class AskResult:
    """A checkpoint's answer to a question, or why there is none.

    seconds  from the request to the answer, opening the checkpoint included
    digits   tokens of the correct answer; empty where it is unknown
    lowest_first  does the model write numbers with their ones digit first?
    """

    entry: "CheckpointEntry"
    answer: "Answer | None" = None
    problem: str = ""
    seconds: float = 0.0
    digits: tuple[str, ...] = ()
    lowest_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """The answer as `icot-tui ask --json` prints it, or the problem."""
        if self.answer is None:
            return {"checkpoint": self.entry.label, "problem": self.problem}
        return self.answer.as_json()


def score(results: Sequence[AskResult]) -> str:
    """`3 of 4 answers right`; empty where no correct answer is known."""
    right = [one.answer.right for one in results if one.answer is not None]
    known = [one for one in right if one is not None]
    return f"{sum(known):,} of {count(len(known), 'answer')} right" if known else ""


@dataclass(frozen=True)
class ChosenToken:
    """The token under the cursor of the answers.

    part   chain: a token of the chain of thought; answer: a digit; sum: the running sum before it
    place  index in the explicit chain of thought, or of the answer's token
    text   the token
    hidden is it hidden, no longer written by the model?
    """

    part: Literal["chain", "answer", "sum"]
    place: int
    text: str
    hidden: bool = False

    @property
    def name(self) -> str:
        """As probes call it: z3, c1, ĉ1."""
        at = self.place
        return {"chain": f"z{at + 1}", "answer": f"c{at}", "sum": f"ĉ{at}"}[self.part]

    @property
    def words(self) -> str:
        if self.part == "chain":
            kind = "hidden" if self.hidden else "written"
            return f"{kind} token {self.place + 1} of the chain of thought, '{self.text}'"
        digit = f"answer token {self.place + 1}, '{self.text}'"
        return digit if self.part == "answer" else f"the running sum before {digit}"


@dataclass(frozen=True)
class ViewRequest:
    """A request for a heat map.

    averaged  over examples instead of this question (attention)
    heads     each head by itself instead of their mean (attention)
    reader    column whose attention is shown; None: the one that predicts the chosen token
    lowest_first  does the model write numbers with their ones digit first?
    """

    entry: "CheckpointEntry"
    view: ViewName
    chosen: ChosenToken
    averaged: bool = False
    heads: bool = False
    reader: int | None = None
    lowest_first: bool = False

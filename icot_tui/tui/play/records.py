"""What travels between the playground's screen and its worker; nothing here needs PyTorch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer

ViewName = Literal["probe", "lens", "attention", "attribution", "patching", "thoughts"]
VIEWS: tuple[ViewName, ...] = ("probe", "lens", "attention", "attribution", "patching", "thoughts")
PAIR = "coupled"
"""The training of ICoT-KD that leaves emulator and student, which answer together."""


@dataclass(frozen=True)
class CheckpointEntry:
    """A checkpoint that can be asked.

    run          name of its run; that of the folder where it belongs to none
    stage        tokens removed; None where no run wrote it
    most         tokens of the run's longest chain of thought; None where it is not known
    exact_match  of the evaluation at its step; None without one
    mixed        was the run trained at all stages at once?
    method       the run's; empty without a run
    task         what its data is made of, to tell runs of the same task; empty without a run
    phase        which of ICoT-KD's trainings wrote it; empty in runs of one
    answers      is it more than one half of ICoT-KD's pair?
    """

    path: Path
    run: str
    step: int | None = None
    stage: int | None = None
    most: int | None = None
    exact_match: float | None = None
    implicit: bool = False
    best: bool = False
    latest: bool = False
    mixed: bool = False
    method: str = ""
    task: str = ""
    phase: str = ""
    answers: bool = True

    @property
    def label(self) -> str:
        """Short, and different for all checkpoints of a run."""
        if self.step is None:
            return self.run
        return " ".join(filter(None, (self.run, self.phase, f"step {self.step:,}")))

    @property
    def is_pair(self) -> bool:
        """ICoT-KD's emulator and student: their thought is foretold, never written."""
        return self.phase == PAIR


@dataclass(frozen=True)
class AskOptions:
    """How the model is to answer.

    raw      the question is in the model's own form
    sampled  draw the tokens, with this seed; None: the likeliest
    written  chain-of-thought tokens to write, where the run allows to choose; None: as trained
    """

    raw: bool = False
    sampled: int | None = None
    written: int | None = None


@dataclass(frozen=True, eq=False)
class AskResult:
    """What one checkpoint made of a question: an answer, or the sentence that says why not.

    seconds  from the request to the answer, opening the checkpoint included
    digits   the true answer's tokens; empty where nobody knows it
    """

    entry: CheckpointEntry
    answer: "Answer | None" = None
    problem: str = ""
    seconds: float = 0.0
    digits: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChosenToken:
    """The token that is looked at.

    part   chain: a token of the chain of thought; answer: a digit; sum: the running sum before it
    place  index in the explicit chain of thought, or of the answer's token
    text   the token
    hidden does the model no longer write it?
    """

    part: Literal["chain", "answer", "sum"]
    place: int
    text: str
    hidden: bool = False

    @property
    def name(self) -> str:
        """As probes call it: z3, c1, ĉ1."""
        return {"chain": f"z{self.place + 1}", "answer": f"c{self.place}"}.get(
            self.part, f"ĉ{self.place}"
        )

    @property
    def words(self) -> str:
        """For titles."""
        if self.part == "chain":
            kind = "hidden" if self.hidden else "written"
            return f"{kind} token {self.place + 1} of the chain of thought, '{self.text}'"
        digit = f"answer token {self.place + 1}, '{self.text}'"
        return digit if self.part == "answer" else f"the running sum before {digit}"


@dataclass(frozen=True)
class ViewRequest:
    """What a heat map is wanted of.

    averaged  over examples instead of this question (attention)
    heads     each head by itself instead of their mean (attention)
    reader    column whose reading is shown; None: the one that says the chosen token (attention)
    """

    entry: CheckpointEntry
    view: ViewName
    chosen: ChosenToken
    averaged: bool = False
    heads: bool = False
    reader: int | None = None

    @property
    def words(self) -> str:
        """For titles."""
        if self.view == "thoughts":
            return "the pair's thoughts, layer by layer"
        return self.chosen.words


@dataclass
class QuestionHistory:
    """Questions that were asked, walked through with up and down."""

    asked: list[str] = field(default_factory=list)
    _at: int = 0
    _draft: str = ""

    def add(self, text: str) -> None:
        """A question was asked; the same one twice in a row stands there once."""
        if text and self.asked[-1:] != [text]:
            self.asked.append(text)
        self._at = len(self.asked)

    def back(self, now: str) -> str:
        """The one before; what is being written is kept."""
        if self._at == len(self.asked):
            self._draft = now
        if not self.asked:
            return now
        self._at = max(0, self._at - 1)
        return self.asked[self._at]

    def forward(self, now: str) -> str:
        """The one after, and at last what was being written."""
        if self._at >= len(self.asked):
            return now
        self._at += 1
        return self._draft if self._at == len(self.asked) else self.asked[self._at]

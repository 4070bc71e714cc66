"""Answers of checkpoints side by side: what they wrote, how sure they were, what is hidden."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from icot_tui.cli.console import print_error, print_table
from icot_tui.formatting import confidence, plain, whole_share

if TYPE_CHECKING:
    from rich.text import Text

    from icot_tui.analysis.answer import Answer, ChainToken, LatentThought

ANSWER_WIDTH = 17
"""Cells that each checkpoint gets in the table of answers: three stand side by side in 80."""


def print_answers(
    text: str, answers: "Sequence[Answer]", more: "Sequence[dict[str, Text]] | None" = None
) -> None:
    """A table of one checkpoint's answer beside another's; `more` are rows of each."""
    from rich.text import Text

    columns = [dict(_rows(answer)) for answer in answers]
    columns = [one | rows for one, rows in zip(columns, more or [{}] * len(columns), strict=True)]
    names = dict.fromkeys(name for column in columns for name in column)
    rows: list[list[str | Text]] = [
        [name, *(column.get(name, Text()) for column in columns)] for name in names
    ]
    headers: list[str | Text] = ["", *(answer.checkpoint for answer in answers)]
    if sys.stdout.isatty():  # the step identifies a checkpoint of a run: keep it whole
        headers = [Text(plain(str(name)).replace("/", "/\n")) for name in headers]
    else:
        rows.insert(0, ["question", *[text] * len(answers)])
    print_table(headers, rows, text, least=ANSWER_WIDTH)
    for note in dict.fromkeys(note for answer in answers for note in answer.notes):
        print_error(f"note: {note}")


def _rows(answer: "Answer") -> "Iterator[tuple[str, Text]]":
    from rich.text import Text

    verdict = {True: ("right", "success"), False: ("wrong", "error"), None: ("", "")}[answer.right]
    shown = "no answer" if answer.shown is None else plain(answer.shown)
    yield "answer", Text(" ").join([Text(shown), Text(*verdict)])
    yield "true answer", Text(plain(answer.expected or ""))
    sure = " ".join(f"{plain(t.text)} {whole_share(t.probability)}" for t in answer.tokens)
    yield "probabilities", Text(sure)
    yield "confidence", Text(confidence(answer.confidence))
    yield "chain of thought", _chain(answer.chain)
    if answer.latents:
        yield "latent thoughts", _latents(answer.latents)
    hidden = f"stage {answer.stage}" if answer.hidden is None else f"{answer.hidden} hidden"
    yield "tokens", Text(f"{answer.written} written, {hidden}")
    yield "time", Text(f"{answer.seconds * 1e3:.0f} ms, {answer.decoded} tokens in all")


def _latents(latents: "Sequence[LatentThought]") -> "Text":
    """The token that the output layer finds nearest to each thought."""
    from rich.text import Text

    nearest = [thought.nearest[0] for thought in latents]
    read = "  ".join(f"'{plain(one.text)}' {whole_share(one.probability)}" for one in nearest)
    return Text(f"{read}  (nearest tokens: a reading)", "dim italic")


def _chain(chain: "Sequence[ChainToken]") -> "Text":
    """The chain of thought: written tokens as they are, hidden ones dim and in brackets."""
    from rich.text import Text

    parts = []
    for written, tokens in groupby(chain, key=lambda token: token.written):
        words = " ".join(plain(token.text) for token in tokens)
        parts.append(Text(words) if written else Text(f"[{words}]", "dim italic"))
    return Text(" ").join(parts)

"""What is doubtful about the chains and answers of examples, counted as their lines go by."""

import re
from collections.abc import Iterable, Iterator

from icot_tui.data.comparison import DECIDING, as_number
from icot_tui.data.examples import ANSWER_MARK, INPUT_END, Chunk
from icot_tui.formatting import count

_NO_CHAIN = re.compile(rb"\|\|\s*####")
_POINT_ZERO = re.compile(rb"#### *[+-]?[0-9]+\.0 *\n")
_PRINTED_LIST = re.compile(rb"\|\| *\[(?:[\"'][^\n]*[\"'])?\]\x1f? *####")
_THOUSANDS = re.compile(rb"####[^\n]*?[0-9],[0-9]{3}(?![0-9])")


class ExampleDoubts:
    """Counts over one text.

    examples     lines with an example
    chainless    those whose chain of thought is empty
    printed      chains that are lists as Python and NumPy print them: ['a', 'b'], ['a' 'b'] or []
    point_zero   answers such as 72.0
    commas       answers with a thousands comma
    """

    def __init__(self) -> None:
        self.examples = self.chainless = self.printed = self.point_zero = self.commas = 0
        self._answers: list[str] = []

    def watching(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The same chunks, counted."""
        for chunk in chunks:
            text = chunk.text
            self.examples += text.count(INPUT_END.encode())
            self.chainless += len(_NO_CHAIN.findall(text))
            self.printed += len(_PRINTED_LIST.findall(text))
            self.point_zero += len(_POINT_ZERO.findall(text))
            self.commas += len(_THOUSANDS.findall(text))
            if missing := DECIDING - len(self._answers):
                ends = text.split(ANSWER_MARK.encode(), missing)[1:]
                self._answers += [end.partition(b"\n")[0].decode(errors="replace") for end in ends]
            yield chunk

    def sentences(self) -> list[str]:
        """What a training should know of, too."""
        found = []
        if self.chainless:
            found.append(
                f"no chain of thought in {self.chainless:,} of {count(self.examples, 'example')}, "
                "so that nothing is removed from them"
            )
        if 0 < self.printed == self.examples - self.chainless:
            found.append(
                "all chains of thought are lists as Python or NumPy prints them, ['...', '...'], "
                "so that the model learns brackets and quotes: give the steps as lists, in JSON "
                "or Parquet"
            )
        if 0 < self.examples == self.point_zero:
            found.append(
                "all answers end with .0, as whole numbers do that were stored with a fraction: "
                "the model learns to write it, unless you take it out"
            )
        return found

    def comparison(self) -> list[str]:
        """What is to be known before a run has settled how answers are compared."""
        if not self.commas or all(as_number(answer) is not None for answer in self._answers):
            return []
        return [
            f"thousands commas in {self.commas:,} of {count(self.examples, 'answer')}, and "
            'evaluation.compare is "text" unless set, since not all answers are numbers: "number" '
            "takes 2,000 for 2000"
        ]

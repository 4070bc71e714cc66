"""Examples that checkpoints are analysed on: held-out ones first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.data.chunks import Chunk, read_chunks
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder
from icot_tui.data.splits import open_source
from icot_tui.errors import UserError


@dataclass(frozen=True)
class ProbeExamples:
    """Lines of examples, and how many of them the model was trained on."""

    text: Chunk
    count: int
    trained_on: int

    def split(self, model: LoadedModel) -> EncodedSplit:
        """The examples in a checkpoint's own tokens.

        Raises:
            UserError: its tokenizer does not know them.
        """
        return Encoder(model.opened.tokenizer).encode(self.text)

    @property
    def notes(self) -> list[str]:
        """What should be said about them."""
        if not self.trained_on:
            return []
        return [
            f"{self.trained_on:,} of the {self.count:,} examples are training examples of the "
            "model, since there are no more held-out ones (each probe is still scored on examples "
            "that it was not fitted to)"
        ]


def load_examples(model: LoadedModel, count: int, file: Path | None = None) -> ProbeExamples:
    """At most `count` examples of a file, or of the model's run: validation, test, then training.

    Raises:
        UserError: no file is given and the checkpoint belongs to no run, or a file is missing.
    """
    if file is not None:
        lines = _lines(read_chunks(file, count), count)
        return ProbeExamples(Chunk(b"".join(lines), str(file), 1), len(lines), 0)
    config = model.opened.config
    if config is None:
        raise UserError(
            f"{model.opened.path} belongs to no run: name a file of examples with --data"
        )
    source = open_source(config.data)
    lines, trained_on = [], 0
    for name in sorted(source.names, key=["validation", "test", "train"].index):
        if len(lines) < count:
            more = _lines(source.chunks(name), count - len(lines))
            lines += more
            trained_on += len(more) if name == "train" else 0
    return ProbeExamples(
        Chunk(b"".join(lines), f"the examples of {config.name}", 1), len(lines), trained_on
    )


def _lines(chunks: Iterator[Chunk], count: int) -> list[bytes]:
    lines: list[bytes] = []
    for chunk in chunks:
        lines += [line for line in chunk.text.splitlines(keepends=True) if line.strip()]
        if len(lines) >= count:
            break
    return lines[:count]

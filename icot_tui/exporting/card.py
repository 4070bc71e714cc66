"""The model card of an exported folder: facts, the prompt in words, and a program that was run."""

import json
from collections.abc import Iterator
from pathlib import Path

from icot_tui.config import dump_toml
from icot_tui.engine.run_folder import RunFolder
from icot_tui.exporting.portable import Portable
from icot_tui.exporting.source import ExportSource
from icot_tui.formatting import short_percent
from icot_tui.studies.exporting import model_card
from icot_tui.units import UNIT_WORDS

CARD = "README.md"
PROVEN = """\
Before this folder was written, plain transformers loaded it and answered {questions:,} held-out \
questions just as icot-tui does; {correct:,} answers ({share}) are right."""


def write_card(
    source: ExportSource, portable: Portable, code: str, printed: str, folder: Path
) -> None:
    """Write the card of a folder whose snippet was run there and printed something."""
    shown = code.replace(json.dumps(str(folder)), '"."  # this folder, or its name on the hub')
    use = "\n\n".join(
        [*_use(source, portable), f"```python\n{shown}```", f"It prints `{printed}`."]
    )
    (folder / CARD).write_text(_card(source, use), encoding="utf-8")


def _card(source: ExportSource, use: str) -> str:
    run, config = source.opened.run, source.opened.config
    if run is not None:
        return model_card(RunFolder(run), use)
    name = source.opened.path.name if config is None else config.name
    front = "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---"
    parts = [front, f"# {name}", f"## Use\n\n{use}"]
    if config is not None:
        parts.append(f"## Training\n\nThe configuration:\n\n```toml\n{dump_toml(config)}```")
    return "\n\n".join(parts) + "\n"


def _use(source: ExportSource, portable: Portable) -> Iterator[str]:
    about, opened = source.opened.description, source.opened
    of = "" if about is None else f" of {about.greatest_stage}"
    yield (
        f"The checkpoint of step {opened.step or 0:,}: {source.prepared.stage}{of} "
        f"{UNIT_WORDS[opened.unit]}s of the chain of thought are removed."
    )
    digits = None if about is None else about.layout.digits
    order = "" if digits is None else f" Numbers are written digit by digit, {digits}."
    yield (
        f"A prompt is a blank, the question and its end, here `{portable.prompt}`; the model "
        f"writes what is left of the chain of thought, `####`, the answer, and end-of-text.{order}"
    )
    if portable.question_tokens is not None:
        yield (
            f"Every prompt must have {portable.question_tokens} tokens, as all of the training "
            "had: the position table was closed up behind it."
        )
    count, correct = len(source.texts), source.correct
    yield PROVEN.format(questions=count, correct=correct, share=short_percent(correct / count))

"""The papers' released checkpoints as ordinary folders (docs/method.md)."""

from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.data.tokenizing import pretrained_tokenizer
from icot_tui.engine.checkpoints.weights import ModelWeights, Weights
from icot_tui.errors import UserError
from icot_tui.files import put_in_place
from icot_tui.methods.distillation.checkpoints import (
    PartsWeights,
    load_published_emulator,
    load_published_student,
)
from icot_tui.models.published import (
    WEIGHTS,
    Architecture,
    load_published,
    published_config,
    published_kind,
    published_tensors,
)

if TYPE_CHECKING:
    from icot_tui.methods.distillation.checkpoints import Part


def import_published(
    folder: Path,
    out: Path,
    base: str | None = None,
    tokenizer: str | None = None,
    emulator: Path | None = None,
) -> tuple[str, int]:
    """Write a published checkpoint as a folder that everything here opens.

    Args:
        folder: a published checkpoint, or a folder with a `student` and an `emulator` in it.
        out: the new folder; nothing of it is left when something goes wrong.
        base: folder or hub name with the architecture; None: what the checkpoint names or holds.
        tokenizer: folder or hub name; None: what the checkpoint names.
        emulator: a published emulator, to be coupled with the student in `folder`.

    Returns:
        Its kind, "language model" (ICoT-SI, or ICoT-KD's teacher), "student", "emulator" or
        "pair"; and the number of parameters, shared ones counted once.

    Raises:
        UserError: files are missing, hold more than tensors, or don't fit the architecture; `out`
            is there already, or can't be written.
    """
    if out.exists():
        raise UserError(f"{out} is there already: name a new folder with --out")
    sources = _sources(folder, emulator)
    first = published_config(sources[0])
    named = tokenizer if tokenizer is not None else first.get("tokenizer_name")
    if not isinstance(named, str):
        raise UserError("the checkpoint's config.json has no tokenizer_name: give --tokenizer")
    words = pretrained_tokenizer(named, "--tokenizer")
    architecture = base if base is not None else first.get("base_model")
    if not isinstance(architecture, str | dict):
        raise UserError("the checkpoint's config.json has no base_model: give --base")
    kind, weights = _read(sources, architecture)
    parameters = sum(parameter.numel() for parameter in weights.module.parameters())
    with put_in_place(out) as beside:
        weights.write(beside, weights.module.state_dict())
        words.save_pretrained(beside)
    return kind, parameters


def _sources(folder: Path, emulator: Path | None) -> list[Path]:
    """One published checkpoint, or a student's and an emulator's."""
    inner = [folder / "student", folder / "emulator"]
    if emulator is not None:
        return [folder, emulator]
    if not (folder / WEIGHTS).is_file() and all((one / WEIGHTS).is_file() for one in inner):
        return inner
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    return [folder]


def _read(sources: list[Path], base: Architecture) -> tuple[str, Weights]:
    kinds = [published_kind(published_tensors(source)) for source in sources]
    if len(sources) == 1 and kinds[0] == "language model":
        return kinds[0], ModelWeights(load_published(sources[0], base))
    if len(sources) == 2 and kinds != ["student", "emulator"]:
        raise UserError(
            f"a pair is a student and an emulator, but of the two that were given, {sources[0]} "
            f"holds the {kinds[0]} and {sources[1]} the {kinds[1]}"
        )
    parts: dict[str, Part] = {}
    for source, kind in zip(sources, kinds, strict=True):
        load = load_published_student if kind == "student" else load_published_emulator
        parts[kind] = load(source, base)
    return ("pair" if len(parts) == 2 else kinds[0]), PartsWeights(parts)

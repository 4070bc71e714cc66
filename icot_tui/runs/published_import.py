"""The papers' released checkpoints as ordinary folders (docs/method.md)."""

from dataclasses import dataclass
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
from icot_tui.models.latent_methods import split_latent
from icot_tui.models.published import (
    WEIGHTS,
    Architecture,
    load_latent,
    load_published,
    published_config,
    published_kind,
    published_tensors,
)

if TYPE_CHECKING:
    from icot_tui.methods.distillation.checkpoints import Part


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was written.

    Attributes:
        kind: "language model" (ICoT-SI's, ICoT-KD's teacher, or the one in a checkpoint of latent
            reasoning), "student", "emulator" or "pair".
        parameters: how many, shared ones counted once.
        left_out: modules of a latent method, in words.
    """

    kind: str
    parameters: int
    left_out: tuple[str, ...] = ()


def import_published(
    source: Path,
    out: Path,
    *,
    base: str | None = None,
    tokenizer: str | None = None,
    emulator: Path | None = None,
    alpha: float | None = None,
) -> Imported:
    """Write a published checkpoint as a folder that everything here opens.

    Args:
        source: a published checkpoint's folder or file, or a folder with a `student` and an
            `emulator` in it.
        out: the new folder; nothing of it is left when something goes wrong.
        base: folder or hub name with the architecture; None: what the checkpoint names or holds.
        tokenizer: folder or hub name; None: what the checkpoint names.
        emulator: a published emulator, to be coupled with the student in `source`.
        alpha: of the LoRA adapters in a checkpoint of CODI or SIM-CoT.

    Raises:
        UserError: files are missing, hold more than tensors, or don't fit the architecture; `out`
            is there already, or can't be written.
    """
    if out.exists():
        raise UserError(f"{out} is there already: name a new folder with --out")
    sources = _sources(source, emulator)
    first = published_config(sources[0])
    named = tokenizer if tokenizer is not None else first.get("tokenizer_name")
    if not isinstance(named, str):
        raise UserError("no config.json of the checkpoint has a tokenizer_name: give --tokenizer")
    words = pretrained_tokenizer(named, "--tokenizer")
    architecture = base if base is not None else first.get("base_model")
    if not isinstance(architecture, str | dict):
        raise UserError("no config.json of the checkpoint has a base_model: give --base")
    latent = split_latent(published_tensors(sources[0])) if len(sources) == 1 else None
    if latent is None:
        kind, weights = _read(sources, architecture)
    else:
        kind = "language model"
        weights = ModelWeights(load_latent(latent, sources[0], architecture, alpha))
        words.add_tokens(list(latent.tokens))
    parameters = sum(parameter.numel() for parameter in weights.module.parameters())
    with put_in_place(out) as beside:
        weights.write(beside, weights.module.state_dict())
        words.save_pretrained(beside)
    left_out = () if latent is None else latent.left_out
    return Imported(kind=kind, parameters=parameters, left_out=left_out)


def _sources(folder: Path, emulator: Path | None) -> list[Path]:
    """One published checkpoint, or a student's and an emulator's."""
    if folder.is_file():
        return [folder]
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

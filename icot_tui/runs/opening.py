"""Opens checkpoints: ordinary language models, and what methods make of them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.config import (
    RunConfig,
    load_config,
    method_of,
    with_folders_of,
    without_folders,
)
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.load import load_data
from icot_tui.data.tokenizing import pretrained_tokenizer
from icot_tui.engine.checkpoints.checkpoint import newest_verified, refuse_damaged, run_of
from icot_tui.engine.checkpoints.description import FILE as DESCRIPTION
from icot_tui.engine.checkpoints.description import (
    CheckpointDescription,
    base_digest,
    read_description,
)
from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval, OpenedCheckpoint
from icot_tui.engine.checkpoints.state import STATE, left_out, read_state
from icot_tui.engine.journal.journal import greatest_stage
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods import METHODS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def open_checkpoint(path: Path, given: GivenRemoval = NOTHING_GIVEN) -> OpenedCheckpoint:
    """Open a checkpoint folder, or the newest whole checkpoint of a run folder.

    Args:
        path: the folder.
        given: how tokens were removed, for a checkpoint that nothing else tells it of.

    Raises:
        UserError: there is none, it is damaged, or nothing tells how its tokens were removed.
    """
    from icot_tui.models.behaviour import doubts
    from icot_tui.models.loading import load_pretrained

    complaints: list[str] = []
    if (path / "checkpoints").is_dir():
        newest, complaints = newest_verified(path / "checkpoints")
        if newest is None:
            raise UserError(". ".join([f"run {path.name} has no whole checkpoint", *complaints]))
        path = newest.path
    elif not path.is_dir():
        raise UserError(f"there is no checkpoint folder {path}")
    else:
        refuse_damaged(path)
    description = read_description(path)
    run, config = _run_and_config(path, description)
    state, unknown = read_state(path) if os.path.lexists(path / STATE) else (None, [])
    marked = (one for one in METHODS.values() if one.marker and (path / one.marker).is_file())
    method = next(marked, None)  # of a model that is more than a language model
    model = load_pretrained(str(path)) if method is None else None
    tokenizer = pretrained_tokenizer(str(path), "a checkpoint")
    if description is not None:
        description.check_tokenizer(tokenizer, f"the tokenizer in {path}")
    if model is None:
        assert method is not None and method.open is not None
        model = method.open(path, tokenizer)
    if description is not None:
        _check_whole(path, description, model, method is not None)
    answer_only = method is not None and method.answer_only
    opened = OpenedCheckpoint(
        path=path,
        model=model.eval(),
        tokenizer=tokenizer,
        description=description,
        config=config,
        state=state,
        plan=_plan(path, run, description, config, answer_only, given),
        run=None if run is None else run.path,
        notes=(*complaints, *left_out(unknown), *doubts(model)),
        answer_only=answer_only,
    )
    opened.token_format(opened.stage or 0)  # refuses what was trained at a stage it can't tell of
    return opened


def open_all(paths: Sequence[Path], given: GivenRemoval) -> list[OpenedCheckpoint]:
    """Several checkpoints; `given` holds for those that don't say how tokens were removed.

    Raises:
        UserError: as `open_checkpoint`; or all say it, and one otherwise than `given`.
    """
    silent = [needs_plan(path) for path in paths]
    return [
        open_checkpoint(path, given if alone or not any(silent) else NOTHING_GIVEN)
        for path, alone in zip(paths, silent, strict=True)
    ]


def needs_plan(path: Path) -> bool:
    """Does neither the checkpoint nor its run say how tokens were removed?"""
    is_run = (path / "checkpoints").is_dir()
    return not is_run and not (path / DESCRIPTION).is_file() and run_of(path) is None


def _run_and_config(
    path: Path, description: CheckpointDescription | None
) -> tuple[RunFolder | None, RunConfig | None]:
    """The run in whose folder a checkpoint lies, and the config; the description has the word.

    A described checkpoint that was copied into the folder of a run with other data lies in none.
    """
    run = run_of(path)
    if description is None:
        return run, None if run is None else load_config(run.config).config
    described = description.run_config()
    if run is None:
        return None, described
    try:
        ours = load_config(run.config).config
    except UserError:  # another program's, or damaged: nothing of it is needed
        return None, described
    bare = without_folders(ours)
    if (bare.name, bare.data) != (described.name, described.data):
        return None, described
    return run, with_folders_of(described, ours)


def _check_whole(
    path: Path, description: CheckpointDescription, model: "PreTrainedModel", marked: bool
) -> None:
    if not description.language_model and not marked:
        raise UserError(f"{path} lacks what was trained beside the model: it is incomplete")
    if description.base_sha256 not in (None, base_digest(model)):
        raise UserError(
            f"the base model of the adapters in {path} is not the one that they were trained on"
        )


def _plan(
    path: Path,
    run: RunFolder | None,
    description: CheckpointDescription | None,
    config: RunConfig | None,
    answer_only: bool,
    given: GivenRemoval,
) -> RemovalPlan | None:
    if description is not None and config is not None:
        known = description.plan(config)
    elif config is not None and method_of(config).uses_curriculum:
        side, longest = config.curriculum.side, 0
        if side == "random":  # the order was drawn for the longest training example
            known_longest = None if run is None else greatest_stage(run.journal)
            longest = known_longest or load_data(config.data).train.max_cot_tokens
        keeps, unit = config.curriculum.keep_positions, config.curriculum.unit
        known = RemovalPlan.seeded(side, keeps, longest, config.seed, unit)
    elif config is not None or answer_only:
        known = RemovalPlan(answer_only=answer_only)
    else:
        return given.plan()
    for name, said, ours in (
        ("--side", given.side, known.side),
        ("--keep-positions", given.keep_positions, known.keep_positions),
    ):
        if said not in (None, ours):
            raise UserError(f"{path} was trained otherwise than {name} says: leave it out")
    return known

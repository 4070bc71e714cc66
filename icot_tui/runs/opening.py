"""Opens checkpoints: ordinary language models, and what methods make of them."""

import json
from pathlib import Path

from icot_tui.config import load_config
from icot_tui.data.tokenizing import pretrained_tokenizer
from icot_tui.engine.checkpoints.checkpoint import (
    MANIFEST,
    STATE,
    OpenedCheckpoint,
    newest_verified,
    verify,
)
from icot_tui.errors import UserError
from icot_tui.methods import METHODS


def open_checkpoint(path: Path) -> OpenedCheckpoint:
    """Open a checkpoint folder, or the newest whole checkpoint of a run folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    from icot_tui.models.loading import load_pretrained

    if (path / "checkpoints").is_dir():
        newest, complaints = newest_verified(path / "checkpoints")
        if newest is None:
            raise UserError(". ".join([f"run {path.name} has no whole checkpoint", *complaints]))
        path = newest.path
    elif not path.is_dir():
        raise UserError(f"there is no checkpoint folder {path}")
    if (path / MANIFEST).is_file() and (problem := verify(path)):
        raise UserError(f"checkpoint {path} cannot be used: {problem}")
    marked = (one for one in METHODS.values() if one.marker and (path / one.marker).is_file())
    method = next(marked, None)  # of a model that is more than a language model
    model = load_pretrained(str(path)) if method is None else None
    tokenizer = pretrained_tokenizer(str(path), "a checkpoint")
    if model is None:
        assert method is not None and method.open is not None
        model = method.open(path, tokenizer)
    run_config = path.parent.parent / "config.toml"
    return OpenedCheckpoint(
        path=path,
        model=model.eval(),
        tokenizer=tokenizer,
        state=json.loads((path / STATE).read_text()) if (path / STATE).is_file() else None,
        config=load_config(run_config).config if run_config.is_file() else None,
        answer_only=method is not None and method.answer_only,
    )

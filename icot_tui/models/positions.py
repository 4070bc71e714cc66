"""How many positions a model has, and more of them where a table is learnt, or made with the model.

Computed positions have no end, but for two kinds, whose frequencies are other ones for all rows as
soon as one is too long (findings/transformers-rope-longest-row.sh).
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_OFFSET = 8
"""A few families shift their position ids (OPT by 2), and have so many more rows."""
LONG, GROWING = "longrope", "dynamic"
"""Rotary positions that depend on the longest row: of a batch, or of all so far."""
STRETCHED = "yarn"
"""Rotary positions that may depend on the number of positions in the config."""


def position_count(config: Any) -> int | None:
    """How many position ids a model has, by its config; None where there is no limit."""
    table: int | None = getattr(config, "max_position_embeddings", None)
    ends = [rope.get("original_max_position_embeddings") for rope in _ropes(config, LONG)]
    return min((end for end in (table, *ends) if end is not None), default=None)


def _ropes(config: Any, *kinds: str) -> list[dict[str, Any]]:
    """The config's rotary positions of some kinds; there may be one for each kind of layer."""
    given: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    ropes = [given, *(one for one in given.values() if isinstance(one, dict))]
    return [rope for rope in ropes if rope.get("rope_type") in kinds]


@torch.no_grad()
def extend_positions(model: "PreTrainedModel", positions: int) -> None:
    """Make position tables long enough, in place; new rows of a learnt one copy its last.

    Models with rotary or other computed positions have no table and need nothing but the number.
    Adapters are no part of the model that is given.

    Raises:
        UserError: with so many, positions would be computed otherwise.
    """
    has = position_count(model.config)
    if has is None or has >= positions:
        return
    if _ropes(model.config, LONG, GROWING):
        raise UserError(
            f"the data needs {positions:,} positions, but with more than {has:,} in one row this "
            "model reads all rows otherwise: set data.max_length, or shorten the data"
        )
    for rope in _ropes(model.config, STRETCHED):
        if rope.get("factor") is None:  # it would be another one when the model is loaded again
            rope["factor"] = has / rope["original_max_position_embeddings"]
    learnt, computed = _growing(model, positions)
    for name in learnt:
        owner, _, attribute = name.rpartition(".")
        table, old = model.get_submodule(owner), model.get_parameter(name)
        more = old[-1:].expand(positions - has, *old.shape[1:])
        setattr(table, attribute, nn.Parameter(torch.cat([old, more]), old.requires_grad))
        if isinstance(table, nn.Embedding):
            table.num_embeddings += positions - has
    if computed:
        made = _blank(model, positions)
        for name in computed:
            owner, _, attribute = name.rpartition(".")
            old = model.get_buffer(name)
            setattr(model.get_submodule(owner), attribute, made.get_buffer(name).to(old))
    model.config.max_position_embeddings = positions


def has_position_table(model: "PreTrainedModel") -> bool:
    """Does it learn its positions?"""
    size: int | None = getattr(model.config, "max_position_embeddings", None)
    return size is not None and bool(_growing(model, size + 1)[0])


def position_tables(model: "PreTrainedModel", size: int) -> Iterator[tuple[nn.Embedding, int]]:
    """Learnt position tables, and by how much each is longer than `size`."""
    words = model.get_input_embeddings()
    for table in model.modules():
        if isinstance(table, nn.Embedding) and table is not words:
            offset = table.num_embeddings - size
            if 0 <= offset < MOST_OFFSET:
                yield table, offset


def _growing(model: "PreTrainedModel", positions: int) -> tuple[list[str], list[str]]:
    """Names of parameters and of buffers that are longer in a model with so many positions."""
    with torch.device("meta"):
        longer = _blank(model, positions)
    # Adapters change the names of what they adapt, which no position table is.
    return (
        _changed(dict(model.named_parameters()), longer.named_parameters()),
        _changed(dict(model.named_buffers()), longer.named_buffers()),
    )


def _changed(own: Mapping[str, Tensor], longer: Iterable[tuple[str, Tensor]]) -> list[str]:
    return [name for name, new in longer if name in own and own[name].shape != new.shape]


def _blank(model: "PreTrainedModel", positions: int) -> "PreTrainedModel":
    config = deepcopy(model.config)
    config.max_position_embeddings = positions
    blank: PreTrainedModel = type(model)(config)
    return blank

"""Reading and replacing activations of any causal language model through plain hooks.

Sites have TransformerLens's names:

blocks.0.hook_resid_pre      input of the first block: the embeddings
blocks.{i}.hook_resid_mid    between attention and MLP of block i
blocks.{i}.hook_resid_post   output of block i

A block has a resid_mid only if its MLP reads the sum of the block's input and its attention, which
is found out by trying and not by the model's name.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.blocks import find_blocks, refuse_other_states
from icot_tui.models.wrapped import WrappedLM, taken, unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Change = Callable[[Tensor], Tensor]  # from an activation [B, L, H] to its replacement


@dataclass(frozen=True)
class Site:
    """A place on the residual stream: index of its block; resid_pre, resid_mid or resid_post."""

    block: int
    part: str

    @classmethod
    def parse(cls, name: str) -> "Site":
        """The site of a TransformerLens name.

        Raises:
            UserError: it is no name of a site.
        """
        match = re.fullmatch(r"blocks\.(\d+)\.hook_(resid_pre|resid_mid|resid_post)", name)
        if not match:
            raise UserError(f"'{name}' is not a site such as blocks.0.hook_resid_post")
        return cls(int(match[1]), match[2])

    @property
    def name(self) -> str:
        """As in TransformerLens."""
        return f"blocks.{self.block}.hook_{self.part}"

    @property
    def short(self) -> str:
        """For narrow tables: `embed`, `1 mid`, `2 out`; layers count from 1."""
        if self.part == "resid_pre":
            return "embed"
        return f"{self.block + 1} {'mid' if self.part == 'resid_mid' else 'out'}"

    @property
    def words(self) -> str:
        """For sentences: `the embeddings`, `the middle of layer 1`, `the output of layer 2`."""
        if self.part == "resid_pre":
            return "the embeddings"
        return f"the {'middle' if self.part == 'resid_mid' else 'output'} of layer {self.block + 1}"


class ResidualStream:
    """The residual stream of a model.

    Args:
        lm: any causal language model of transformers, PEFT's wrapper included.

    Raises:
        UserError: its blocks cannot be found, or hand on more than one state a token.
    """

    def __init__(self, lm: "PreTrainedModel") -> None:
        self.lm = lm
        bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
        if isinstance(bare, WrappedLM):
            raise UserError(
                "this model reads more than the tokens of a question, so that its positions are "
                "not those of tokens: looking inside is for plain language models"
            )
        self.decoder, self.blocks = find_blocks(bare)
        refuse_other_states(bare, self.blocks)
        weight: Tensor = lm.get_input_embeddings().weight
        self.device, self.width = weight.device, int(weight.shape[1])
        self._attention = [_child(block, ("attn", "attention")) for block in self.blocks]

    @cached_property
    def has_middle(self) -> bool:
        """Have the blocks a resid_mid?"""
        return self._mlp_follows_attention()

    @property
    def sites(self) -> list[Site]:
        """All sites, from the embeddings up."""
        parts = ["resid_mid", "resid_post"] if self.has_middle else ["resid_post"]
        blocks = range(len(self.blocks))
        return [Site(0, "resid_pre"), *(Site(block, part) for block in blocks for part in parts)]

    def forward(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """[B, L, V] logits of rows that are padded on the right, on any device."""
        logits: Tensor = forward(self.lm, ids, positions).logits
        return logits

    def recording(self, sites: Sequence[Site]) -> AbstractContextManager[dict[Site, Tensor]]:
        """Activations [B, L, H] of the last forward pass, by site."""
        return self._keeping(sites, lambda activation: activation)

    def picking(
        self, sites: Sequence[Site], at: Tensor
    ) -> AbstractContextManager[dict[Site, Tensor]]:
        """Activations [B, H] of the last forward pass in one column of each row, by site."""
        rows = torch.arange(len(at), device=at.device)
        return self._keeping(sites, lambda activation: activation[rows, at])

    @contextmanager
    def _keeping(self, sites: Sequence[Site], part: Change) -> Iterator[dict[Site, Tensor]]:
        found: dict[Site, Tensor] = {}

        def keep(where: Site, activation: Tensor) -> Tensor:
            found[where] = part(activation.detach())
            return activation

        with ExitStack() as stack:
            for where in sites:
                stack.enter_context(self.changing(where, partial(keep, where)))
            yield found

    @contextmanager
    def changing(self, where: Site, change: Change) -> Iterator[None]:
        """Replace an activation by what `change` makes of it."""
        block, handles = self.blocks[where.block], []
        if where.part == "resid_pre":
            handles = [block.register_forward_pre_hook(partial(_into, change), with_kwargs=True)]
        elif where.part == "resid_post":
            handles = [block.register_forward_hook(partial(_out_of, change))]
        else:
            # resid_mid is input + attention: the change is made to the attention's output.
            attention, inputs = self._attention[where.block], []
            assert attention is not None

            def keep_input(activation: Tensor) -> Tensor:
                inputs.append(activation)
                return activation

            def change_sum(attended: Tensor) -> Tensor:
                middle = inputs.pop() + attended
                changed = change(middle)
                return attended if changed is middle else attended + (changed - middle)

            handles = [
                block.register_forward_pre_hook(partial(_into, keep_input), with_kwargs=True),
                attention.register_forward_hook(partial(_out_of, change_sum)),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def _mlp_follows_attention(self) -> bool:
        """Does the MLP read the sum of the block's input and its attention, and add to it?

        Tried on the first block: a change of the attention's output must reach the MLP's input (in
        a parallel block it does not), and the parts must add up to the block's output.
        """
        mlp = _child(self.blocks[0], ("mlp", "feed_forward", "ffn", "moe"))
        if mlp is None or any(attention is None for attention in self._attention):
            return False
        vocabulary = len(self.lm.get_input_embeddings().weight)
        ids = torch.arange(1, 5).remainder(vocabulary)[None]
        where, after = Site(0, "resid_mid"), Site(0, "resid_post")
        read: list[Tensor] = []
        added: list[Tensor] = []

        def record(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            read.append(args[0] if args else kwargs["hidden_states"])
            added.append(output[0] if isinstance(output, tuple | list) else output)

        handle = mlp.register_forward_hook(record, with_kwargs=True)
        try:
            with self.recording([where, after]) as plain:
                self.forward(ids, None)
            with self.changing(where, _shifted):
                self.forward(ids, None)
            adds_up = torch.allclose(plain[where] + added[0], plain[after], atol=1e-4, rtol=1e-3)
        except (TypeError, KeyError, RuntimeError, IndexError):  # a block of another kind
            return False
        finally:
            handle.remove()
        return adds_up and not torch.equal(read[0], read[1])


def forward(lm: "PreTrainedModel", ids: Tensor, positions: Tensor | None, **options: Any) -> Any:
    """The model's output for rows that are padded on the right, on any device."""
    device = next(lm.parameters()).device
    ids, positions = ids.to(device), None if positions is None else positions.to(device)
    # Without a mask, jumping position ids would be taken for packed sequences.
    mask = None if positions is None else torch.ones_like(ids)
    inputs = {"attention_mask": mask, "position_ids": positions, "use_cache": False}
    return lm(input_ids=ids, **options, **taken(unadapted(lm), inputs))


def _shifted(activation: Tensor) -> Tensor:
    changed = activation.clone()
    changed[..., 0] += 1.0
    return changed


def _child(block: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The one child with such a name that is no norm."""
    found = [
        module
        for name, module in block.named_children()
        if any(part in name.lower() for part in names)
        and "norm" not in name.lower()
        and not isinstance(module, (nn.LayerNorm, nn.Dropout))
    ]
    return found[0] if len(found) == 1 else None


def _into(change: Change, module: nn.Module, args: Any, kwargs: Any) -> Any:
    if args:
        return (change(args[0]), *args[1:]), kwargs
    return args, kwargs | {"hidden_states": change(kwargs["hidden_states"])}


def _out_of(change: Change, module: nn.Module, args: Any, output: Any) -> Any:
    if isinstance(output, tuple | list):  # some families' blocks give lists
        return type(output)([change(output[0]), *output[1:]])
    return change(output)

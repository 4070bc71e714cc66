"""Reading and replacing activations of any causal language model through plain hooks.

Names are TransformerLens's, on its residual stream:

    blocks.0.hook_resid_pre      what enters the first block: the embeddings
    blocks.{i}.hook_resid_mid    after the attention of block i, where the rest of the block
                                 follows it (found out by trying, not by name)
    blocks.{i}.hook_resid_post   what leaves block i
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Change = Callable[[Tensor], Tensor]
"""From an activation [B, L, H] to what takes its place."""
_NUDGE = 1.0


@dataclass(frozen=True)
class Site:
    """A place on the residual stream.

    name     TransformerLens's
    block    index of its block
    part     resid_pre, resid_mid or resid_post
    """

    block: int
    part: str

    @property
    def name(self) -> str:
        """As in TransformerLens."""
        return f"blocks.{self.block}.hook_{self.part}"

    @property
    def short(self) -> str:
        """For narrow places: `embed`, `1 mid`, `2 out`; layers count from 1."""
        if self.part == "resid_pre":
            return "embed"
        return f"{self.block + 1} {'mid' if self.part == 'resid_mid' else 'out'}"


def site(name: str) -> Site:
    """The site of a TransformerLens name.

    Raises:
        UserError: it is none of those that are offered.
    """
    match = re.fullmatch(r"blocks\.(\d+)\.hook_(resid_pre|resid_mid|resid_post)", name)
    if not match:
        raise UserError(f"'{name}' is no place such as blocks.0.hook_resid_post")
    return Site(int(match[1]), match[2])


class ResidualStream:
    """The residual stream of a model.

    Args:
        lm: any causal language model of transformers, PEFT's wrapper included.

    Raises:
        UserError: its blocks cannot be found.
    """

    def __init__(self, lm: "PreTrainedModel") -> None:
        self.lm = lm
        bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
        self.decoder, self.blocks = _find_blocks(bare)
        self._attention = [_child(block, ("attn", "attention")) for block in self.blocks]
        self.has_middle = self._middle_is_real()

    @property
    def width(self) -> int:
        """H."""
        return int(self.lm.get_input_embeddings().weight.shape[1])

    @property
    def sites(self) -> list[Site]:
        """All places, from the embeddings up."""
        parts = ["resid_mid", "resid_post"] if self.has_middle else ["resid_post"]
        blocks = range(len(self.blocks))
        return [Site(0, "resid_pre"), *(Site(block, part) for block in blocks for part in parts)]

    def forward(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """[B, L, V] logits of rows that are padded on the right."""
        # Without a mask, jumping position ids would be taken for packed sequences.
        mask = None if positions is None else torch.ones_like(ids)
        out = self.lm(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
        logits: Tensor = out.logits
        return logits

    @contextmanager
    def recording(self, sites: Sequence[Site]) -> Iterator[dict[Site, Tensor]]:
        """Activations [B, L, H] of the last forward pass, by site."""
        found: dict[Site, Tensor] = {}

        def keep(where: Site, activation: Tensor) -> Tensor:
            found[where] = activation.detach()
            return activation

        with ExitStack() as stack:
            for where in sites:
                stack.enter_context(self.changing(where, partial(keep, where)))
            yield found

    @contextmanager
    def changing(self, where: Site, change: Change) -> Iterator[None]:
        """Let `change` look at an activation, and replace it by what it returns."""
        block, handles = self.blocks[where.block], []
        if where.part == "resid_pre":
            handles = [block.register_forward_pre_hook(partial(_into, change), with_kwargs=True)]
        elif where.part == "resid_post":
            handles = [block.register_forward_hook(partial(_out_of, change))]
        else:
            # What stands in the middle is the sum of two: the change goes into the attention's.
            attention, entering = self._attention[where.block], []
            assert attention is not None

            def look(activation: Tensor) -> Tensor:
                entering.append(activation)
                return activation

            def alter(added: Tensor) -> Tensor:
                middle = entering.pop() + added
                changed = change(middle)
                return added if changed is middle else added + (changed - middle)

            handles = [
                block.register_forward_pre_hook(partial(_into, look), with_kwargs=True),
                attention.register_forward_hook(partial(_out_of, alter)),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def _middle_is_real(self) -> bool:
        """Does the rest of a block start from `entering + attention`, and add to it?

        Tried out on the first block: a nudge to the attention's output must reach what the rest
        reads (in a block that works in parallel it does not), and the parts must add up.
        """
        rest = _child(self.blocks[0], ("mlp", "feed_forward", "ffn", "moe"))
        if rest is None or any(attention is None for attention in self._attention):
            return False
        words = self.lm.get_input_embeddings().weight
        ids = torch.arange(1, 5, device=words.device).remainder(len(words))[None]
        where, after = Site(0, "resid_mid"), Site(0, "resid_post")
        read: list[Tensor] = []
        added: list[Tensor] = []

        def note(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            read.append(args[0] if args else kwargs["hidden_states"])
            added.append(output[0] if isinstance(output, tuple) else output)

        handle = rest.register_forward_hook(note, with_kwargs=True)
        try:
            with self.recording([where, after]) as plain:
                self.forward(ids, None)
            with self.changing(where, _nudged):
                self.forward(ids, None)
            adds_up = torch.allclose(plain[where] + added[0], plain[after], atol=1e-4, rtol=1e-3)
        except (TypeError, KeyError, RuntimeError, IndexError):  # a block of another kind
            return False
        finally:
            handle.remove()
        return adds_up and not torch.equal(read[0], read[1])


def _nudged(activation: Tensor) -> Tensor:
    changed = activation.clone()
    changed[..., 0] += _NUDGE
    return changed


def _find_blocks(lm: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    """The module that holds the blocks, and the blocks.

    Raises:
        UserError: no list of so many modules as the config has layers.
    """
    config: Any = lm.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    layers = getattr(config, "num_hidden_layers", None)
    for parent in lm.modules():
        for child in parent.children():
            if isinstance(child, nn.ModuleList) and len(child) == layers:
                return parent, child
    raise UserError(f"the blocks of a {type(lm).__name__} cannot be found: no hidden states")


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
    if isinstance(output, tuple):
        return (change(output[0]), *output[1:])
    return change(output)

"""Names of places on the residual stream, as TransformerLens writes them.

blocks.0.hook_resid_pre      input of the first block: the embeddings
blocks.{i}.hook_resid_mid    between attention and MLP of block i
blocks.{i}.hook_resid_post   output of block i
"""

import re
from dataclasses import dataclass

from icot_tui.errors import UserError


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

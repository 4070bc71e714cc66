"""What a checkpoint holds of a model: how its weights are written to a folder, and read again."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor, nn

from icot_tui.engine.checkpoints.checkpoint import load_tensors, save_tensors
from icot_tui.models.build import is_adapted
from icot_tui.models.loading import fill_adapters, whole_model
from icot_tui.models.tensors import copy_tensors

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_LM = "lm."


class Weights(Protocol):
    """A model that is trained and saved."""

    @property
    def module(self) -> nn.Module:
        """Owner of the tensors; those that require gradients are trained."""
        ...

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write `module.state_dict()`, given whole as `tensors`, into a folder."""
        ...

    def read(self, folder: Path) -> None:
        """The opposite of `write`, in place.

        Raises:
            UserError: the folder doesn't fit.
        """
        ...


class ModelWeights:
    """One language model as an ordinary `save_pretrained` folder."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        self.module = lm

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """See `Weights`."""
        self.module.save_pretrained(folder, state_dict=tensors)

    def read(self, folder: Path) -> None:
        """See `Weights`."""
        load_weights(self.module, folder)


class ExtendedWeights:
    """An ordinary `save_pretrained` folder, and a file with what is trained beside the model.

    Args:
        module: has the language model as `lm`, and further modules.
        file: name of the file.
    """

    def __init__(self, module: nn.Module, file: str) -> None:
        self.module = module
        self._file = file

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """See `Weights`."""
        lm = {name[len(_LM) :]: value for name, value in tensors.items() if name.startswith(_LM)}
        cast("PreTrainedModel", self.module.lm).save_pretrained(folder, state_dict=lm)
        (folder / self._file).parent.mkdir(exist_ok=True)
        others = {name: value for name, value in tensors.items() if not name.startswith(_LM)}
        save_tensors(others, folder / self._file)

    def read(self, folder: Path) -> None:
        """See `Weights`."""
        load_weights(cast("PreTrainedModel", self.module.lm), folder)
        named = self.module.named_children()
        others = nn.ModuleDict({name: child for name, child in named if name != "lm"})
        copy_tensors(others, load_tensors(folder / self._file), folder)


def load_weights(lm: "PreTrainedModel", folder: Path) -> None:
    """Copy a saved folder's weights into a model of the same shape, in place.

    Raises:
        UserError: names or shapes differ.
    """
    if is_adapted(lm):
        fill_adapters(cast("PeftModel", lm), folder)
        return
    saved = whole_model(str(folder))  # many families rename their weights when they are saved
    copy_tensors(lm, saved.state_dict(), folder)

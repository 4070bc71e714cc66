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
    """A model that is trained and saved.

    `module` owns the tensors; those that require gradients are trained. `write` takes the module's
    `state_dict()`, whole, as `tensors`. `read` is its opposite, in place, and raises `UserError`
    where the folder doesn't fit.
    """

    @property
    def module(self) -> nn.Module: ...

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None: ...

    def read(self, folder: Path) -> None: ...


class ModelWeights:
    """One language model as an ordinary `save_pretrained` folder."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        self.module = lm

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        self.module.save_pretrained(folder, state_dict=tensors)

    def read(self, folder: Path) -> None:
        load_weights(self.module, folder)


class ExtendedWeights:
    """An ordinary `save_pretrained` folder, and a file with what is trained besides the model.

    The module has the language model as `lm`, and further modules for the file.
    """

    def __init__(self, module: nn.Module, file: str) -> None:
        self.module = module
        self._file = file

    def write(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        lm = {name[len(_LM) :]: value for name, value in tensors.items() if name.startswith(_LM)}
        cast("PreTrainedModel", self.module.lm).save_pretrained(folder, state_dict=lm)
        (folder / self._file).parent.mkdir(exist_ok=True)
        others = {name: value for name, value in tensors.items() if not name.startswith(_LM)}
        save_tensors(others, folder / self._file)

    def read(self, folder: Path) -> None:
        load_weights(cast("PreTrainedModel", self.module.lm), folder)
        self.read_others(folder)

    def read_others(self, folder: Path) -> None:
        """What is there besides the language model, whose weights are in their place already."""
        named = self.module.named_children()
        others = nn.ModuleDict({name: child for name, child in named if name != "lm"})
        copy_tensors(others, load_tensors(folder / self._file), folder)


def load_weights(lm: "PreTrainedModel", folder: Path) -> None:
    """Copy a saved folder's weights into a model; a `UserError` if names or shapes differ."""
    if is_adapted(lm):
        fill_adapters(cast("PeftModel", lm), folder)
    else:  # many families rename their weights when they are saved
        saved = whole_model(str(folder), lm.dtype, known=True)
        copy_tensors(lm, saved.state_dict(), folder)

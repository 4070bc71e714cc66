"""Opens checkpoints and keeps them open, so that switching between them costs nothing."""

import threading
from collections import OrderedDict
from pathlib import Path

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.data.vocabulary import kept_tokens
from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval, OpenedCheckpoint
from icot_tui.errors import UserError
from icot_tui.runs.opening import needs_plan, open_checkpoint

MEMORY_LIMIT = 1 << 30  # default limit of kept parameters in bytes


class ModelCache:
    """The most recently used checkpoints, ready to answer; safe from any thread.

    The one used last is kept, however many bytes its parameters have; `given` says how tokens were
    removed, for checkpoints that don't say it.
    """

    def __init__(
        self,
        memory_limit: int = MEMORY_LIMIT,
        device: str = "cpu",
        given: GivenRemoval = NOTHING_GIVEN,
    ) -> None:
        self._limit = memory_limit
        self._device = device
        self._given = given
        self._kept: OrderedDict[tuple[Path, int], LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: Path) -> LoadedModel:
        """The checkpoint in a folder, or the newest of a run's folder.

        Raises:
            UserError: it cannot be opened.
        """
        with self._lock:
            key = _key(path)
            if key not in self._kept:
                opened = open_safely(path, self._given if needs_plan(path) else NOTHING_GIVEN)
                key = _key(opened.path)  # a run's folder stands for its newest checkpoint
                if key not in self._kept:
                    self._kept[key] = LoadedModel(opened, self._device)
            self._kept.move_to_end(key)
            bytes_kept = sum(one.bytes for one in self._kept.values())
            while bytes_kept > self._limit and len(self._kept) > 1:
                bytes_kept -= self._kept.popitem(last=False)[1].bytes
            return self._kept[key]

    def __len__(self) -> int:
        return len(self._kept)


def _key(path: Path) -> tuple[Path, int]:
    """The folder and its time: a rewritten checkpoint is another one."""
    try:
        return path.resolve(), path.stat().st_mtime_ns
    except OSError:
        return path, 0


def warm_up(architecture: str = "gpt2") -> None:
    """Import what the first checkpoint would otherwise wait for: a second or two.

    Meant for a thread of a screen that has just been drawn.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    MODEL_FOR_CAUSAL_LM_MAPPING[type(AutoConfig.for_model(architecture))]


def open_safely(path: Path, given: GivenRemoval = NOTHING_GIVEN) -> OpenedCheckpoint:
    """Open a checkpoint that may be written or deleted at this moment.

    Raises:
        UserError: it is damaged, gone, not finished, or no model's folder.
    """
    if path.name.startswith((".writing-", ".deleting-")):
        raise UserError(f"checkpoint {path} is being written or deleted: choose another one")
    try:
        opened = open_checkpoint(path, given)
    except UserError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"checkpoint {path} cannot be read: is it still there?") from error
    if opened.tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {path} has no end-of-text token")
    if kept_tokens(opened.tokenizer) > opened.model.get_input_embeddings().weight.shape[0]:
        raise UserError(f"the tokenizer in {opened.path} has more tokens than the model")
    return opened

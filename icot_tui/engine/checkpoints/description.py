"""What a checkpoint says of itself, in one file beside its weights, and nowhere else.

Whoever asks the model as it was trained needs no more than its folder: how tokens were removed and
how many, the layout of examples, the task. `docs/checkpoint-format.md` describes the file.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from icot_tui.config import RunConfig, check_run, method_of
from icot_tui.config.sections import Count
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.tasks import Task
from icot_tui.data.tokenizing import encode_texts, separator_id
from icot_tui.errors import UserError
from icot_tui.files import read_file
from icot_tui.version import __version__

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

FILE = "icot_tui.json"
VERSION = 1
"""Raised when the same content would be read otherwise."""
LARGEST = 16 << 20
"""Bytes of a file that is read at all."""
SAMPLE = " 0 1 23 456 #### 7 89"
"""A text whose ids tell apart tokenizers with the same words."""
SAMPLED = 64
"""Values of each weight that a digest of a base model is made of."""


class _Record(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Layout(_Record):
    """How an example is written: ` {x} SEP{z} SEP #### {y} SEP`."""

    separator: str
    """End-of-text, the last SEP."""
    separator_id: int
    """Its token id."""
    separators: list[str] | None = None
    """All three; null, as in checkpoints of 0.1.0, where they are all end-of-text."""
    answer_mark: Literal["####"] = "####"
    """What stands before the answer."""
    leading_blank: Literal[True] = True
    """A blank stands before the input, the answer and the first token of the chain."""
    answer_only: bool = False
    """ICoT-KD's layout ` {x} SEP #### {y} SEP`: no chain of thought, and no separator after it."""
    digits: str | None = None
    """"lowest first" or "highest first", where the task writes numbers digit by digit."""


class TokenizerFacts(_Record):
    """By which the folder's tokenizer is known to be the one of the training."""

    kind: str
    """Class in transformers."""
    tokens: int
    """Size of the vocabulary, with added tokens."""
    kept: int | None = None
    """The model has words for so many of them only, the first ones; null: for all."""
    sha256: str
    """Of the vocabulary, as `vocabulary_digest` makes it."""
    sample: list[int] | None = None
    """Token ids of SAMPLE; null where the tokenizer lacks one of its characters."""


class CheckpointDescription(_Record):
    """The content of the file. `config` holds the method, the side of removal, kept positions, the
    task with its options, and the precision, each under its own key.
    """

    version: Annotated[int, Field(strict=True, ge=1)] = VERSION
    """Of this format."""
    icot_tui: str = __version__
    """Version of the program that wrote it."""
    config: dict[str, Any]
    """The whole config of the run; of paths only the last part."""
    phase: str = ""
    """Number and name of the training in runs of several, such as "2-student"."""
    language_model: bool = True
    """The model alone is all that answers: there are no pause tokens, MLPs or mixtures."""
    base_sha256: str | None = None
    """With adapters: of the base model, which isn't in the folder, as `base_digest` makes it."""
    step: Count
    """Optimizer steps done."""
    stage: Count
    """Chain-of-thought tokens, or steps (the config's curriculum.unit), removed of each example."""
    greatest_stage: Count
    """Tokens, or steps, of the longest chain of thought of the training examples."""
    typical_cot_tokens: Count
    """Median over the held-out examples."""
    removal_order: list[int] | None = None
    """Side "random" only: position j of a chain goes before position k if order[j] < order[k]."""
    layout: Layout
    tokenizer: TokenizerFacts
    data_fingerprint: str
    """The same for the same text and tokenizer, on any machine."""

    def at(self, step: int, stage: int) -> "CheckpointDescription":
        """The same at another moment of the training."""
        return self.model_copy(update={"step": step, "stage": stage})

    def run_config(self) -> RunConfig:
        """`config`, checked.

        Raises:
            UserError: this version doesn't know such a config.
        """
        try:
            return check_run(self.config)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the config"
            raise UserError(
                f"{FILE} was written by icot-tui {self.icot_tui}, and this version "
                f"({__version__}) doesn't take its config ({where}: {first['msg']}): use that one"
            ) from error

    def changes(self, before: "CheckpointDescription") -> list[str]:
        """What differs from an earlier checkpoint's run and decides what is trained."""
        ours, theirs = _settings(self.config), _settings(before.config)
        found = [
            f"{key} was {theirs[key]} and is {ours[key]}"
            for key in sorted(ours.keys() & theirs.keys())  # other versions may have other keys
            if ours[key] != theirs[key]
        ]
        if self.data_fingerprint != before.data_fingerprint:
            found.append("the examples or the tokenizer are others")
        return found

    def ends_as(self, config: RunConfig) -> bool:
        """Do its trainings end where those of another config would?"""
        ours = _settings(self.config, limits=True)
        theirs = _settings(json.loads(config.model_dump_json()), limits=True)
        return all(ours[key] == theirs[key] for key in ours.keys() & theirs.keys())

    def plan(self, config: RunConfig) -> RemovalPlan:
        """How tokens were removed."""
        if not method_of(config).uses_curriculum:
            return RemovalPlan(answer_only=self.layout.answer_only)
        curriculum, order = config.curriculum, None
        if curriculum.side == "random":
            order = np.array(self.removal_order or [], dtype=np.int64)
            if sorted(order.tolist()) != list(range(self.greatest_stage)):  # of tokens
                raise UserError(f"{FILE} has no order of removal for side 'random': it is damaged")
        return RemovalPlan(curriculum.side, curriculum.keep_positions, order, unit=curriculum.unit)

    def check_tokenizer(self, tokenizer: "PreTrainedTokenizerBase", whose: str) -> None:
        """Refuse a tokenizer whose ids mean something else than they did in the training.

        Args:
            tokenizer: to be used with the model.
            whose: names it, for the error.

        Raises:
            UserError: it is another one.
        """
        same = vocabulary_digest(tokenizer) == self.tokenizer.sha256
        if same and self.tokenizer.sample is not None:  # the same words, joined in the same way
            same = sample_ids(tokenizer) == self.tokenizer.sample
        if not same or separator_id(tokenizer) != self.layout.separator_id:
            raise UserError(
                f"{whose} is not the tokenizer that the model was trained with "
                f"({self.tokenizer.kind}, {self.tokenizer.tokens:,} tokens): its ids would mean "
                "something else"
            )


UNTRAINED = (
    *("name", "description", "checkpoints", "trackers", "evaluation.samples"),
    *("train.device", "train.observe_every"),
)
"""Settings that change nothing about what a run learns."""
LIMITS = ("epochs", "max_steps", "steps_after_removal", "target_accuracy")
"""Settings that say when a training ends; a finished one may go on by raising one."""


def _settings(config: dict[str, Any], front: str = "", limits: bool = False) -> dict[str, Any]:
    """The values that decide what is trained, by their dotted keys; or when a training ends."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        dotted = f"{front}{key}"
        if isinstance(value, dict) and dotted not in UNTRAINED:
            found |= _settings(value, f"{dotted}.", limits)
            continue
        limit = key in LIMITS and not dotted.startswith("curriculum.")
        if dotted not in UNTRAINED and limit == limits:
            found[dotted] = value
    return found


def digit_order(task: Task) -> str | None:
    """In which order a task writes the digits of an answer; None where it writes no digits."""
    return {"21": "lowest first", "12": "highest first"}.get(task.human_answer("1 2"))


def sample_ids(tokenizer: "PreTrainedTokenizerBase") -> list[int] | None:
    """The ids of SAMPLE; None where the tokenizer lacks one of its characters."""
    try:
        return encode_texts(tokenizer, [SAMPLE])[0]
    except UserError:
        return None


def base_digest(module: "nn.Module") -> str | None:
    """SHA-256 of some values of each weight under adapters; None without adapters, or of a part.

    The values are rounded to bfloat16, so that a base model has one digest in either precision.
    """
    import torch

    sharded = any(hasattr(weight, "device_mesh") for weight in module.parameters())
    if sharded or not hasattr(module, "get_base_model"):
        return None
    digest = hashlib.sha256()
    for name, weight in sorted(module.named_parameters()):
        if "lora_" in name or "modules_to_save" in name:
            continue
        values = weight.detach().flatten()
        some = values[:: max(1, len(values) // SAMPLED)].to(torch.bfloat16).cpu()
        digest.update(some.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()


def vocabulary_digest(tokenizer: "PreTrainedTokenizerBase") -> str:
    """SHA-256 of all tokens in the order of their ids."""
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0]))
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def check_origin(
    folder: Path, tokenizer: "PreTrainedTokenizerBase", language_model: bool = False
) -> None:
    """Refuse to go on from a checkpoint with another tokenizer, or from a part of what it holds.

    Args:
        folder: the checkpoint's; nothing is known of one without a description.
        tokenizer: of the data to come.
        language_model: only the language model in it would be used.

    Raises:
        UserError: the folder says that it was trained with another tokenizer, or holds more.
    """
    description = read_description(folder)
    if description is None:
        return
    description.check_tokenizer(tokenizer, f"the tokenizer of this data, for {folder},")
    if language_model and not description.language_model:
        raise UserError(
            f"{folder} holds more than a language model (method "
            f"{description.config['method']['name']}), which would be lost: name another one"
        )


def needed_description(checkpoint: Path) -> CheckpointDescription:
    """What a checkpoint says about itself.

    Raises:
        UserError: it says nothing, or as of `read_description`.
    """
    description = read_description(checkpoint)
    if description is None:
        raise UserError(f"{checkpoint} has no {FILE}, which describes its model: it is incomplete")
    return description


def read_description(checkpoint: Path) -> CheckpointDescription | None:
    """What a checkpoint folder says of itself; None where it has no such file.

    Raises:
        UserError: it is damaged, or of a version to come.
    """
    path = checkpoint / FILE
    if not os.path.lexists(path):
        return None
    try:
        raw = json.loads(read_file(path, LARGEST))
        version = raw["version"] if isinstance(raw, dict) else None
        if isinstance(version, int) and version > VERSION:
            raise UserError(
                f"{path} was written by icot-tui {raw.get('icot_tui', '?')} in format {version}, "
                f"this version reads up to {VERSION}: use a newer one"
            )
        return CheckpointDescription.model_validate(raw)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: it is damaged") from error

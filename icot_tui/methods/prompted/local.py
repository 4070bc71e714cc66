"""Asks a causal language model on this machine, greedily, in batches."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from icot_tui.config import RunConfig
from icot_tui.data.tokenizing import pretrained_tokenizer
from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig
from icot_tui.methods.prompted.prompts import NEXT_QUESTION, Conversation, as_text
from icot_tui.methods.prompted.replies import Reply
from icot_tui.models.loading import load_pretrained
from icot_tui.models.positions import position_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VERSION = 2
"""To be raised when models are asked in another way, so that kept replies no longer hold."""


class LocalModel:
    """A model from a folder or the hub, loaded when it is first asked.

    It is asked through its chat template if it has one, and otherwise as text to be continued.

    Raises:
        UserError: its tokenizer cannot be loaded.
    """

    def __init__(self, config: RunConfig, device: torch.device) -> None:
        self._prompted = prompted = config.section(PromptedConfig)
        self._precision = config.model.precision
        self._device = device
        self._tokenizer = pretrained_tokenizer(self._prompted.model)
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        model, precision = prompted.model, self._precision
        self.where = str(device)
        self.identity = [model, _version(model), prompted.max_new_tokens, precision, VERSION]

    def answer(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Reply]]:
        """See `Respondent`; all in one batch."""
        prompts = self._encode(conversations)
        lengths = prompts["attention_mask"].sum(dim=1).tolist()
        written = self._continue(prompts)
        for place, (length, tokens) in enumerate(zip(lengths, written.tolist(), strict=True)):
            yield place, self._reply(length, tokens)

    def _encode(self, conversations: Sequence[Conversation]) -> dict[str, torch.Tensor]:
        """ids and attention mask [B, L], padded on the left."""
        tokenizer = self._tokenizer
        chats = tokenizer.chat_template is not None
        texts = [
            str(tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True))
            if chats
            else as_text(one)
            for one in conversations
        ]
        try:
            encoded = tokenizer(
                texts, return_tensors="pt", padding=True, add_special_tokens=not chats
            )
        except Exception as error:  # the tokenizers library raises nothing more precise
            raise UserError(
                f"the tokenizer of {self._prompted.model} does not know all characters of the "
                f"prompt: choose a model of general text ({error})"
            ) from error
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    @torch.no_grad()
    def _continue(self, prompts: dict[str, torch.Tensor]) -> torch.Tensor:
        """[B, W] what the model writes; rows that end earlier are padded."""
        from transformers import GenerationConfig

        begin = prompts["input_ids"].shape[1]
        settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=self._room(begin),
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=self._ends,
            stop_strings=[NEXT_QUESTION],
        )
        found: torch.Tensor = self._lm.generate(
            **{name: tensor.to(self._device) for name, tensor in prompts.items()},
            generation_config=settings,
            tokenizer=self._tokenizer,
        )
        return found[:, begin:].cpu()

    def _room(self, begin: int) -> int:
        """How many tokens may be written after the prompt."""
        table = position_count(self._lm.config)
        room = self._prompted.max_new_tokens if table is None else table - begin
        if room < 1:
            raise UserError(
                f"a prompt has {begin} tokens, but {self._prompted.model} reads {table}: lower "
                "prompted.shots"
            )
        return min(room, self._prompted.max_new_tokens)

    def _reply(self, prompt_tokens: int, written: list[int]) -> Reply:
        tokenizer = self._tokenizer
        ends = {tokenizer.pad_token_id, tokenizer.eos_token_id, *self._ends}
        tokens = list(takewhile(lambda token: token not in ends, written))
        whole = tokenizer.decode(tokens, skip_special_tokens=True)
        text, stopped, _ = whole.partition(NEXT_QUESTION)
        cut = not stopped and len(tokens) == len(written)
        return Reply(text.strip(), prompt_tokens, len(tokens), cut)

    @property
    def _ends(self) -> list[int]:
        """The tokens that end an answer: the model's own, or else the tokenizer's."""
        own = self._lm.generation_config.eos_token_id
        ends: Any = self._tokenizer.eos_token_id if own is None else own
        return list(ends) if isinstance(ends, list) else [ends]

    @cached_property
    def _lm(self) -> "PreTrainedModel":
        from transformers import GenerationConfig

        lm = load_pretrained(self._prompted.model)
        # Of its own settings the ends alone: `generate` takes from them whatever it is not told
        # (findings/transformers-generate-keeps-own-settings.sh).
        own = lm.generation_config and lm.generation_config.eos_token_id
        lm.generation_config = GenerationConfig(eos_token_id=own)
        if self._precision != "float32":
            lm.to(torch.bfloat16)
        return lm.to(self._device).eval()


def _version(name: str) -> Any:
    """Changes when the model does: sizes and times of a folder's files, or the hub's commit."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        facts = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in facts]
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no causal language model can be read from '{name}'") from error
    return getattr(found, "_commit_hash", None)

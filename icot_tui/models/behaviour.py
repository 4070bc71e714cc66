"""What a causal language model of any family does with a few tokens: found out by trying.

A model's name and config do not tell whether it sees later tokens, whether its cache can be used
with rows of different lengths, or whether position ids mean anything to it.

R rows, L columns, V words.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icot_tui.data.cache import entry, seal, sealed_facts
from icot_tui.errors import UserError, first_line
from icot_tui.models.double import fits_in_double, in_double
from icot_tui.models.next_logits import CachedRows, NextLogits, WholeRows
from icot_tui.models.positions import position_count
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import CACHE, WrappedLM, cache_name, unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROWS, COLUMNS, STEPS = 3, 8, 2
"""Of the rows that a model is tried with; no model has fewer positions than columns."""
LENGTHS = (4, 3, 6)
"""Tokens of the rows before `STEPS` more are written."""
JUMP_AT, JUMP = 2, 5
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-6}
"""Largest difference of equal logits, in standard deviations of all; 0.1 in smaller formats.

In 80 families with random weights those that are equal differ by 3e-6 at most, others by 1e-4.
Trained ones have a few activations thousands of times as large as the others, and round by more
than that: what seems to differ is tried again in double precision.
"""
LONGER = 19
"""Tokens of a longer row: a few families can be called with some lengths only."""
LARGE = 50_000_000
"""Parameters from which on a trial takes so long that it is done once for all."""
VERSION = 3
"""To be raised when a trial would find something else."""


@dataclass(frozen=True)
class Behaviour:
    """What was seen.

    uses_cache      with its cache, rows padded on the left of which some end early go on exactly as
                    they do when they are read whole
    uses_positions  position ids change something
    """

    uses_cache: bool
    uses_positions: bool


_seen: WeakKeyDictionary[nn.Module, Behaviour] = WeakKeyDictionary()


def behaviour(lm: nn.Module, name: str | None = None) -> Behaviour:
    """What a model does; it is tried once.

    Args:
        lm: the model, with or without adapters or another reading.
        name: what the user calls it.

    Raises:
        UserError: it can't be asked as a causal language model, sees later tokens, gives no finite
            numbers, or rows of a batch change each other.
    """
    bare = plain_model(lm)
    if bare not in _seen:
        with _evaluating(bare):
            _seen[bare] = _tried(bare, name)
    return _seen[bare]


def forget_behaviour(lm: nn.Module) -> None:
    """Its weights are others now: `behaviour` tries it anew."""
    _seen.pop(plain_model(lm), None)


class _UnequalError(UserError):
    """Numbers differ that should not."""


def _tried(lm: "PreTrainedModel", name: str | None) -> Behaviour:
    """What is seen in a model's own precision or else, where it refuses or lacks, in double."""
    try:
        found = _checked(lm, name)
    except _UnequalError:
        if not fits_in_double(lm):
            raise
    else:
        if found.uses_cache or not fits_in_double(lm):
            return found
    with in_double(lm):
        return _checked(lm, name)


def _checked(lm: "PreTrainedModel", name: str | None) -> Behaviour:
    trial = _Trial(lm, name)
    trial.check()
    return _observed(lm, trial)


def _observed(lm: "PreTrainedModel", trial: "_Trial") -> Behaviour:
    """A large model's behaviour is kept on disk for its config and versions, if it can be."""
    if sum(parameter.numel() for parameter in lm.parameters()) < LARGE:
        return trial.observe()
    import transformers

    versions = (VERSION, transformers.__version__, torch.__version__)
    config = (lm.config.to_json_string(), getattr(lm.config, "_attn_implementation", None))
    about = (type(lm).__name__, *config, str(lm.dtype), lm.device.type, versions)
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    try:
        folder = entry(f"behaviour-{key}", lambda new: seal(new, asdict(trial.observe())))
    except UserError:  # no room, or no permission to write: nothing to stop for
        return trial.observe()
    facts = sealed_facts(folder)
    assert facts is not None, "the cache hands out whole entries only"
    return Behaviour(facts["uses_cache"], facts["uses_positions"])


def next_logits(lm: "PreTrainedModel") -> NextLogits:
    """For rows that are about to be written: with the model's cache, if that can be used."""
    return CachedRows(lm) if _uses_cache(lm) else WholeRows(lm)


def doubts(lm: nn.Module) -> tuple[str, ...]:
    """What a user should know of a model, a sentence each."""
    if _uses_cache(lm):
        return ()
    return (
        f"the cache of {kind(lm)} is not used, since rows of different lengths don't go on with it "
        "as they do without: answers are written more slowly",
    )


def _uses_cache(lm: nn.Module) -> bool:
    plain = plain_model(lm)
    if not behaviour(lm).uses_cache:
        return False
    # Another reading needs a cache with columns: a recurrent model's state has none.
    recurrent = getattr(plain, "_is_stateful", False) and cache_name(plain) != CACHE
    return unadapted(lm) is plain or not recurrent


def kind(lm: nn.Module) -> str:
    """A model's type, for sentences."""
    config: Any = plain_model(lm).config
    return f"a model of type '{config.model_type}'"


def plain_model(lm: nn.Module) -> "PreTrainedModel":
    """The transformers model in what wraps it."""
    bare = unadapted(lm)
    return unadapted(bare.lm) if isinstance(bare, WrappedLM) else bare


@torch.no_grad()
def has_dropout(lm: "PreTrainedModel") -> bool:
    """Do two passes in training mode differ?"""
    ids = _ids(lm)
    training = lm.training
    with torch.random.fork_rng(devices=[]):
        lm.train()
        first, second = (lm(input_ids=ids, use_cache=False).logits for _ in range(2))
        lm.train(training)
    return not torch.equal(first, second)


@torch.no_grad()
def runs(lm: "PreTrainedModel") -> bool:
    """Can it be called in the format that its weights have?"""
    try:
        lm(input_ids=_longer(lm, _ids(lm)), use_cache=False)
    except Exception:  # of whatever kind: third-party code
        return False
    return True


def refuse_dead_words(lm: "PreTrainedModel") -> None:
    """Refuse a model in which some words get no gradient.

    Raises:
        UserError: one word at least gets none.
    """
    weight = lm.get_input_embeddings().weight
    if not weight.requires_grad:
        return
    ids = _ids(lm)
    with _evaluating(lm), torch.enable_grad():
        logits = lm(input_ids=ids, use_cache=False).logits.float()
        if not logits.std() > 0:
            return  # a head of zeros, which passes nothing on before the first step
        loss = F.cross_entropy(logits.flatten(0, 1), ids.roll(1, 1).flatten())
        (gradient,) = torch.autograd.grad(loss, weight)
    if (gradient[ids.flatten()].abs().sum(1) == 0).any():
        raise UserError(f"{kind(lm)} gives some words no gradient: they would never be trained")


def without_gradient(objective: nn.Module) -> list[str]:
    """Names of trainable weights of a loss's language models that no loss depends on.

    In BART some look at an encoder, and in DeepSeek-V3.2 some choose tokens, where no gradient
    comes from.
    """
    from transformers import PreTrainedModel

    found = []
    for lm in objective.modules():
        if isinstance(lm, PreTrainedModel) and lm.can_generate():
            with _evaluating(lm), torch.enable_grad():
                used = _leaves(lm(input_ids=_ids(lm), use_cache=False).logits)
            named = lm.named_parameters()
            found += [name for name, one in named if one.requires_grad and id(one) not in used]
    return found


def _leaves(computed: Tensor) -> set[int]:
    """Ids of the tensors that a gradient would be handed to."""
    ahead, seen, leaves = [computed.grad_fn], set[Any](), set[int]()
    while ahead:
        node: Any = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            leaves.add(id(getattr(node, "variable", None)))
            ahead += [following for following, _ in node.next_functions]
    return leaves


class _Trial:
    def __init__(self, lm: "PreTrainedModel", name: str | None) -> None:
        self._lm = lm
        self._name = kind(lm) if name is None else f"'{name}' ({lm.config.model_type})"
        self._ids = _ids(lm)
        table = position_count(lm.config)
        jump = JUMP if table is None else max(0, min(JUMP, table - COLUMNS))
        index = torch.arange(COLUMNS, device=self._ids.device).expand(ROWS, -1)
        self._index, self._jumping = index, index + jump * (index >= JUMP_AT)

    @torch.no_grad()
    def check(self) -> None:
        """Refuse what would be silently wrong."""
        try:
            self._whole = SupervisedLM(self._lm)
            plain, counted = self._logits(self._ids, None), self._logits(self._ids, self._index)
            changed = self._ids.clone()
            changed[:, -1] = (changed[:, -1] + 1) % self._words
            later = self._logits(changed, None)
            alone = self._logits(self._ids[:1, :JUMP], None)
            longer = self._logits(_longer(self._lm, self._ids), None)
        except Exception as error:  # of whatever kind: third-party code
            raise UserError(
                f"{self._name} cannot be asked as a causal language model: {first_line(error)}"
            ) from error
        self._close = TOLERANCE.get(plain.dtype, 0.1) * float(plain.float().std())
        if not plain.isfinite().all():
            raise UserError(f"{self._name} gives numbers that are not finite: is it damaged?")
        seen_later = not self._equal(plain[:, :-1], later[:, :-1])
        if seen_later or not self._equal(plain, longer[:, :COLUMNS]):
            raise _UnequalError(
                f"{self._name} sees the tokens that it should predict: give a causal language model"
            )
        if not self._equal(plain[:1, :JUMP], alone) or not self._equal(plain, counted):
            raise _UnequalError(
                f"{self._name} reads a row otherwise when others stand in the same batch, so that "
                "no number of it would be right: give another model"
            )
        self._plain, self._counted = plain, counted

    @torch.no_grad()
    def observe(self) -> Behaviour:
        """What a model does that passed the check."""
        jumped = self._logits(self._ids, self._jumping)
        uses_positions = not torch.equal(self._counted, jumped)
        uses_cache = self._cache_agrees(self._plain, self._index)
        if uses_cache and uses_positions:
            uses_cache = self._cache_agrees(jumped, self._jumping)
        return Behaviour(uses_cache, uses_positions)

    @property
    def _words(self) -> int:
        words: int = self._lm.get_input_embeddings().weight.shape[0]
        return words

    def _logits(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """[R, L, V] from whole rows."""
        states = torch.arange(ids.numel(), device=ids.device)
        return self._whole.logits(ids, positions, states).reshape(*ids.shape, -1)

    def _cache_agrees(self, expected: Tensor, positions: Tensor) -> bool:
        """Do rows of different and of equal lengths go on with the cache as `expected`?"""
        try:
            return all(
                self._equal(found, expected[rows, columns])
                for lengths in (LENGTHS, (LENGTHS[0],) * ROWS)
                for found, rows, columns in self._written(lengths, positions)
            )
        except Exception:  # of whatever kind: third-party code that has no such cache
            return False

    def _written(
        self, lengths: tuple[int, ...], positions: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Logits with the cache, and the rows and columns that they belong to."""
        device, longest = self._ids.device, max(lengths)
        rows, length = torch.arange(ROWS, device=device), torch.tensor(lengths, device=device)
        model = CachedRows(self._lm)
        index = (torch.arange(longest, device=device) - (longest - length[:, None])).clamp(min=0)
        visible = torch.arange(longest + STEPS, device=device) >= longest - length[:, None]
        for step in range(STEPS + 1):
            seen = visible[rows, : longest + step] if min(lengths) < longest else None
            ids, places = self._ids[rows].gather(1, index), positions[rows].gather(1, index)
            yield model.logits(ids, seen, places), rows, length - 1
            if step == 0:
                some = torch.tensor([0, 2], device=device)
                rows, length = rows[some], length[some]
                model.keep(some)
            index, length = length[:, None], length + 1

    def _equal(self, one: Tensor, other: Tensor) -> bool:
        return bool((one.float() - other.float()).abs().max() <= self._close)


def _ids(lm: "PreTrainedModel") -> Tensor:
    """[R, L] tokens by chance."""
    weight = lm.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(0)
    return torch.randint(weight.shape[0], (ROWS, COLUMNS), generator=generator).to(weight.device)


def _longer(lm: "PreTrainedModel", ids: Tensor) -> Tensor:
    """[R, more] the same and more, as far as there are positions."""
    table = position_count(lm.config)
    return ids.repeat(1, -(-LONGER // COLUMNS))[:, : max(COLUMNS, min(LONGER, table or LONGER))]


@contextmanager
def _evaluating(lm: nn.Module) -> Iterator[None]:
    training = lm.training
    lm.eval()
    try:
        yield
    finally:
        lm.train(training)

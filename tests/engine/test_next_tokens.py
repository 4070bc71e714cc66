"""How well what goes next is read before it is written: known contents, and a run left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.config import RunConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.next_tokens import FEWEST, MOST_TOKENS, NextTokenProbe
from icot_tui.engine.journal.events import NextTokensProbed
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.wording import describe
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM
from tests.tiny import (
    assert_same,
    assert_same_run,
    byte_pair_tokenizer,
    copy_until,
    final_state,
    final_tensors,
    news,
    read_lines,
    tiny,
    train,
    train_new,
)

PROMPT, DIGITS, SEPARATOR = 5, 10, 10


def split_of(chains: np.ndarray, seed: int = 0) -> EncodedSplit:
    """Random questions of four digits, chains [N, m], and an answer of one digit."""
    count, cot = chains.shape
    questions = np.random.default_rng(seed).integers(0, DIGITS, (count, PROMPT - 1))
    ends = np.full((count, 1), SEPARATOR)
    rows = np.concatenate([questions, ends, chains, ends, questions[:, :1], ends], axis=1)
    return EncodedSplit(
        rows.reshape(-1).astype(np.uint16),
        np.arange(count + 1) * rows.shape[1],
        np.full(count, PROMPT, dtype=np.int32),
        np.full(count, cot, dtype=np.int32),
    )


def probe_of(
    split: EncodedSplit, plan: RemovalPlan, dropout: float = 0.0, positions: int = 32
) -> NextTokenProbe:
    """Of a random model in training mode, whose embeddings tell all tokens apart."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=12, n_positions=positions, n_embd=32, n_layer=3, n_head=2, resid_pdrop=dropout,
        embd_pdrop=dropout, attn_pdrop=dropout,
    )  # fmt: skip
    model = SupervisedLM(GPT2LMHeadModel(config)).train()
    return NextTokenProbe.of(model, split, TokenFormat(byte_pair_tokenizer(), SEPARATOR, plan))


def chains(copied: bool, count: int = 500, length: int = 4) -> np.ndarray:
    """Random digits; `copied`: the last one is the one before it again."""
    found = np.random.default_rng(1).integers(0, DIGITS, (count, length))
    if copied:
        found[:, -1] = found[:, -2]
    return found


def test_the_last_question_may_be_the_shortest() -> None:
    """Questions are told apart by their tokens, as many as the longest has."""
    split = split_of(chains(copied=True, count=FEWEST))
    tokens = np.concatenate([np.zeros(40, dtype=np.uint16), split.tokens])
    starts, prompts = split.starts + 40, split.prompt_lengths.copy()
    starts[0], prompts[0] = 0, PROMPT + 40
    longer = EncodedSplit(tokens, starts, prompts, split.cot_lengths)
    found = probe_of(longer, RemovalPlan("right"), positions=64).measure(7, 0, 1)
    assert found.examples == FEWEST and found.readable is not None


def test_what_the_position_ahead_holds_is_read_and_noise_is_not() -> None:
    """With the last token going first, it is read at the one before, which is the same or not."""
    copied = probe_of(split_of(chains(copied=True)), RemovalPlan("right")).measure(7, 0, 1)
    assert copied.readable is not None and copied.readable > 0.99
    assert copied.layers[0] > 0.99 and len(copied.layers) == 4
    assert copied.shuffled is not None and copied.shuffled < 0.2
    noise = probe_of(split_of(chains(copied=False)), RemovalPlan("right")).measure(7, 0, 1)
    assert noise.readable is not None and noise.shuffled is not None
    assert abs(noise.readable - noise.shuffled) < 0.08 and noise.readable < 0.2
    assert noise.majority is not None and abs(noise.majority - 0.1) < 0.06
    assert (noise.step, noise.before, noise.stage, noise.examples) == (7, 0, 1, 400)


def test_it_is_read_strictly_before_it_is_written() -> None:
    """From the left, at the separator: what follows it is not even fed."""
    split = split_of(chains(copied=False))
    looked = probe_of(split, RemovalPlan("left"))
    fed: list[torch.Tensor] = []
    embedding = looked.model.lm.get_input_embeddings()
    handle = embedding.register_forward_hook(lambda module, args, output: fed.append(args[0]))
    found = looked.measure(0, 0, 1)
    handle.remove()
    assert {part.shape[1] for part in fed} == {PROMPT}
    assert found.layers[0] == found.majority  # the separator is always the same


def test_it_is_read_as_the_present_stage_reads_its_rows() -> None:
    """With kept positions the separator's own moves with the stage."""
    plan = RemovalPlan("left", keep_positions=True)
    looked = probe_of(split_of(chains(copied=False)), plan)
    given: list[torch.Tensor] = []
    table = looked.model.lm.transformer.wpe  # type: ignore[union-attr]
    handle = table.register_forward_hook(lambda module, args, output: given.append(args[0]))
    looked.measure(0, 2, 3)
    handle.remove()
    assert given[0][0].tolist() == [0, 1, 2, 3, 6]


def test_several_that_go_at_once_are_read_together_and_the_first_ones_only() -> None:
    long = split_of(np.tile(chains(copied=False), (1, 3)))
    found = probe_of(long, RemovalPlan("left")).measure(0, 1, 12)
    assert found.tokens == MOST_TOKENS and found.readable is not None
    assert found.readable < 0.2
    assert "tokens 2 to 12, next to go: readable 0." in describe(found)


def test_too_few_examples_and_broken_weights_tell_nothing() -> None:
    few = probe_of(split_of(chains(False, FEWEST - 1)), RemovalPlan("left")).measure(0, 0, 1)
    assert few.readable is few.shuffled is few.majority is None and few.layers == []
    assert describe(few).endswith("not known: too few validation examples have any (99)")
    broken = probe_of(split_of(chains(False)), RemovalPlan("left"))
    with torch.no_grad():
        broken.model.lm.get_input_embeddings().weight.fill_(torch.nan)
    found = broken.measure(0, 0, 1)
    assert found.readable is None and "not finite" in describe(found)


def test_looking_draws_no_random_number_and_leaves_the_model_in_training() -> None:
    looked = probe_of(split_of(chains(False)), RemovalPlan("left"), dropout=0.5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    first, second = looked.measure(0, 0, 1), looked.measure(0, 0, 1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]
    assert looked.model.training and looked.model.lm.training
    same = {"seconds": 0.0}
    assert replaced(first, **same) == replaced(second, **same)
    assert not any(len(module._forward_hooks) for module in looked.model.modules())


def replaced(event: NextTokensProbed, **values: Any) -> NextTokensProbed:
    import msgspec

    return msgspec.structs.replace(event, **values)


def run_config(probed: bool | None, **sections: Any) -> RunConfig:
    evaluation = {"every_steps": 7, "samples": 4, "probe_before_removal": probed}
    data = {"validation_examples": FEWEST}
    return tiny(evaluation=evaluation, data=data, model={"layers": 2}, **sections)


@pytest.fixture(scope="module")
def probed_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    config = run_config(True, checkpoints={"keep": 1000, "every_steps": 1})
    return train_new(tmp_path_factory.mktemp("probed"), config)


def probes(folder: RunFolder) -> list[NextTokensProbed]:
    events = (event for _, event in JournalReader(folder.journal).events())
    return [event for event in events if isinstance(event, NextTokensProbed)]


@pytest.mark.slow
def test_every_removal_and_every_evaluation_is_preceded_by_a_look(probed_run: RunFolder) -> None:
    lines = read_lines(probed_run)
    looks = {(one.step, one.before, one.stage) for one in probes(probed_run)}
    removals = [line for line in lines if line["event"] == "TokenRemoved"]
    assert len(removals) == 8
    assert {(line["step"], line["before"], line["stage"]) for line in removals} <= looks
    evaluated = {
        line["step"] for line in lines if line["event"] == "Evaluated" and line["stage"] < 8
    }
    assert evaluated <= {step for step, _, _ in looks}
    for at, line in enumerate(lines):
        if line["event"] == "TokenRemoved":
            told = [one["event"] for one in lines[:at] if one["step"] == line["step"]]
            assert told[-1] == "NextTokensProbed"
    assert all(one.readable is not None for one in probes(probed_run))


@pytest.mark.slow
def test_looking_changes_nothing_but_the_journal(probed_run: RunFolder, tmp_path: Path) -> None:
    config = run_config(False, checkpoints={"keep": 1000, "every_steps": 1})
    plain = train_new(tmp_path, config)
    assert not probes(plain)
    assert_same(final_tensors(plain), final_tensors(probed_run))
    assert final_state(plain) == final_state(probed_run)
    assert news(plain) == news(probed_run, ("NextTokensProbed",))


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 2, 7, 9, 14, 20, 23])
def test_a_resume_tells_the_same(probed_run: RunFolder, tmp_path: Path, step: int) -> None:
    folder = copy_until(step, probed_run, tmp_path / "copy")
    train(folder)
    assert_same_run(folder, probed_run)


def test_without_a_setting_it_is_done_where_it_can_be(tmp_path: Path) -> None:
    stop = {"max_steps": 8}
    assert probes(train_new(tmp_path / "able", run_config(None, train=stop)))
    assert not probes(train_new(tmp_path / "few", tiny(train=stop)))
    with pytest.raises(UserError, match="fewer than 100 validation examples: leave"):
        train_new(tmp_path / "asked", tiny(evaluation={"probe_before_removal": True}))


@pytest.mark.parametrize("method", ["no_cot", "pause_stepwise"])
def test_a_method_without_such_a_removal_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match=f"probe_before_removal does not go with {method}"):
        run_config(True, method={"name": method})

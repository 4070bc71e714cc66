"""`data.separator`: end-of-text for all, or tokens of their own, from the text to the answer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.config import RunConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat
from icot_tui.data.load import load_data
from icot_tui.data.tokenizing import (
    OWN_SEPARATORS,
    SEPARATOR,
    Separators,
    add_own_separators,
    character_tokenizer,
    encode_prompt,
    encode_texts,
    pretrained_tokenizer,
    separator_texts,
    separators,
)
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.checkpoints.description import FILE
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.held_out import examples_of, prepare
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.opening import open_checkpoint
from tests.tiny import tiny, train_new

OWN = {**tiny().model_dump()["data"], "separator": "own"}
GROWING = {"schedule": "stages", "stages": [{"stage": 0, "steps": 6}, {"stage": 3, "steps": 30}]}


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train_new(tmp_path_factory.mktemp("own"), tiny(data=OWN, curriculum=GROWING))


def test_a_tokenizer_keeps_its_own_separators_in_a_folder(tmp_path: Path) -> None:
    tokenizer = character_tokenizer("0123456789*")
    assert len(set(separators(tokenizer))) == 1
    add_own_separators(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    loaded = pretrained_tokenizer(str(tmp_path))
    assert separators(loaded) == separators(tokenizer)
    assert separator_texts(loaded) == (*OWN_SEPARATORS, SEPARATOR)
    assert encode_prompt(loaded, "1 * 2")[-1] == separators(loaded).question
    with pytest.raises(UserError, match=r"holds the separator <\|answer\|>"):
        encode_prompt(loaded, "1 <|answer|> 2")


def test_the_same_examples_differ_in_their_separators_alone() -> None:
    config = tiny().data
    one, three = (
        load_data(config.model_copy(update={"separator": kind})) for kind in ("eos", "own")
    )
    assert one.fingerprint != three.fingerprint
    kinds = separators(three.tokenizer)
    for before, after in ((one.train, three.train), (one.validation, three.validation)):
        assert np.array_equal(before.prompt_lengths, after.prompt_lengths)
        assert np.array_equal(before.cot_lengths, after.cot_lengths)
        joined = np.where(np.isin(after.tokens, kinds[:2]), kinds.answer, after.tokens)
        assert np.array_equal(before.tokens, joined)
    first = three.train.example(0).tolist()
    assert kinds.among(first) == list(kinds) and first[-1] == kinds.answer


def test_a_run_says_so_wherever_its_checkpoint_goes(own_run: RunFolder) -> None:
    newest = list_checkpoints(own_run.checkpoints)[-1].path
    described = json.loads((newest / FILE).read_text())
    assert described["layout"]["separators"] == [*OWN_SEPARATORS, SEPARATOR]
    assert described["config"]["data"]["separator"] == "own"
    opened = open_checkpoint(newest)
    assert len(set(opened.token_format(3).separators)) == 3
    assert opened.model.config.eos_token_id == opened.tokenizer.eos_token_id


def test_exact_match_is_that_of_plain_decoding(own_run: RunFolder) -> None:
    opened = open_checkpoint(own_run.path)
    model = prepare(opened, None, examples_of(opened, None, None), "cpu")
    index = np.arange(len(model.split))
    options = (model.token_format, model.split, index, model.stage, None, None)
    examples = StagedExamples.of(*options)
    found = decode(
        model.lm,
        examples.prefixes(index, np.zeros_like(index)),
        model.token_format.separators,
    )
    answers = AnswerReader(model.token_format)
    sections = [answers.section(found.row(row)) for row in index]
    right = [
        section is not None and answers.text(section) == answers.text(examples.answer_section(row))
        for row, section in enumerate(sections)
    ]
    assert model.evaluate().right.tolist() == right


@pytest.mark.parametrize("array", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_end_of_text_of_one_meaning_ends_the_answer(array: type) -> None:
    tokens = array([5, 1, 2, 3])
    assert Separators(3, 3, 3).closings(tokens).tolist() == [False, False, False, True]
    assert Separators(1, 2, 3).closings(tokens).tolist() == [0, 0, 1, 2]


def test_a_section_lies_between_the_chain_and_the_end() -> None:
    tokenizer = character_tokenizer("0123456789")
    add_own_separators(tokenizer)
    kinds = separators(tokenizer)
    answers = AnswerReader(TokenFormat(tokenizer, kinds.answer, RemovalPlan()))
    text = " 1 2<|answer|> #### 3 4<|sep|>"
    (written,) = encode_texts(tokenizer, [text])
    section = answers.section(written)
    assert section is not None and answers.text(section) == "3 4"
    assert answers.section(written[:-1]) is None
    assert answers.section([*written[:2], kinds.answer]) is None


def pretrained(folder: Path) -> RunConfig:
    """A config that trains a folder's tiny GPT-2 further, with separators of its own."""
    tokenizer = character_tokenizer("0123456789*+()#|= ")
    tokenizer.save_pretrained(folder)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    data = {**OWN, "tokenizer": str(folder)}
    return tiny(data=data, model={"pretrained": str(folder)}, train={"max_steps": 3})


def test_a_pretrained_model_gets_rows_for_them(tmp_path: Path) -> None:
    config = pretrained(tmp_path / "base")
    folder = train_new(tmp_path, config)
    opened = open_checkpoint(folder.path)
    assert opened.model.get_input_embeddings().weight.shape[0] == len(opened.tokenizer)
    assert len(set(separators(opened.tokenizer))) == 3
    lora = {**config.model_dump()["model"], "lora": {"rank": 2}}
    adapted = tiny(data=config.data.model_dump(), model=lora)
    with pytest.raises(UserError, match="which adapters don't train"):
        train_new(tmp_path, adapted)


def test_a_tokenizer_that_has_them_is_not_called_published(tmp_path: Path) -> None:
    tokenizer = character_tokenizer("0123456789*+()#|= ")
    add_own_separators(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    data = tiny().data.model_copy(update={"tokenizer": str(tmp_path), "separator": None})
    assert len(set(separators(load_data(data).tokenizer))) == 3
    with pytest.raises(UserError, match=r"leave data\.separator out, or set it to own"):
        load_data(data.model_copy(update={"separator": "eos"}))

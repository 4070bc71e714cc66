"""A real local model is asked."""

import json
from pathlib import Path

import pytest
import torch

from icot_tui.engine.evaluation.samples import read_samples
from icot_tui.engine.journal.events import (
    Evaluated,
    QuestionsAsked,
)
from icot_tui.errors import UserError
from icot_tui.methods.prompted.local import LocalModel
from tests.methods.prompted.asked import ask, config, last


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A small model with random weights and a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({symbol: n for n, symbol in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
    torch.manual_seed(0)  # weights by chance may end an answer at once
    sizes = {"n_layer": 1, "n_head": 1, "n_embd": 8, "n_positions": 400}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), eos_token_id=256, **sizes))
    folder = tmp_path / "local"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_local_model_is_asked_in_batches_as_one_by_one(local: Path) -> None:
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 6, "examples": 5}
    found = []
    for size in (1, 4):
        folder, news = ask(config(**asked, batch_size=size))
        result = last(news, Evaluated)
        assert result.examples == 5
        found.append([s.model_cot for s in read_samples(folder.samples / result.samples)])
        assert last(news, QuestionsAsked).kept == (0 if size == 1 else 5)
    assert found[0] == found[1]
    (local / "README").write_text("another version")
    folder, news = ask(config(**asked, batch_size=4))
    assert last(news, QuestionsAsked).kept == 0, "the folder changed"
    assert [s.model_cot for s in read_samples(folder.samples / "step-00000000.jsonl")] == found[0]
    assert any(found[0])


def test_a_local_model_reads_so_much_only(local: Path) -> None:
    with pytest.raises(UserError, match=r"reads 400: lower prompted\.shots"):
        ask(config(model=str(local), shots=20))


def test_a_chat_model_is_asked_through_its_template(local: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(local)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"
    )
    tokenizer.save_pretrained(local)
    _, news = ask(config(model=str(local), shots=0, max_new_tokens=3, examples=2))
    told = last(news, QuestionsAsked)
    instruction = "Answer the question. Without any steps, write only #### and the answer."
    text = f"<user>{instruction}\n\n12 * 34<assistant>"
    assert told.prompt_tokens == 2 * len(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"do_sample": True, "repetition_penalty": 9.0, "num_beams": 2},
        {"no_repeat_ngram_size": 1},
        {"suppress_tokens": [*range(0, 256, 2)]},
        {"max_time": 0.0},
    ],
)
def test_a_local_model_is_asked_greedily_whatever_comes_with_it(
    local: Path, settings: dict[str, object]
) -> None:
    """Its own settings may forbid repetitions, and name further tokens that end an answer."""
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 6, "examples": 3}
    folder, news = ask(config(**asked))
    written = [s.model_cot for s in read_samples(folder.samples / last(news, Evaluated).samples)]
    (local / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": [256]}))
    folder, news = ask(config(**asked))
    assert last(news, QuestionsAsked).kept == 0
    again = [s.model_cot for s in read_samples(folder.samples / last(news, Evaluated).samples)]
    assert again == written


def test_a_local_answer_that_ends_with_any_of_the_ends_is_whole(local: Path) -> None:
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 4, "batch_size": 1, "examples": 1}
    (local / "generation_config.json").write_text('{"eos_token_id": 256}')
    model = LocalModel(config(**asked), torch.device("cpu"))
    question = [[{"role": "user", "content": "12 * 34"}]]
    [(_, reply)] = model.answer(question)
    assert (reply.cut, reply.written_tokens) == (True, 4)
    first = int(model._continue(model._encode(question))[0, 0])
    (local / "generation_config.json").write_text(json.dumps({"eos_token_id": [256, first]}))
    [(_, reply)] = LocalModel(config(**asked), torch.device("cpu")).answer(question)
    assert (reply.cut, reply.written_tokens) == (False, 0)

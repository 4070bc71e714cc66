"""model.vocabulary = "data": the tokens of the data first, and a model with these words alone."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from icot_tui.config.sections import DataConfig
from icot_tui.data.load import load_data
from icot_tui.data.tokenizing import encode_prompt, pretrained_tokenizer, separators
from icot_tui.data.vocabulary import kept_tokens, rows_before
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.errors import UserError
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.shared import shared
from tests.tiny import assert_same, byte_pair_tokenizer, final_tensors, tiny, train, train_new


def data_config(tokenizer, **more):
    raw = {"task": "multiplication", "options": {"digits": "2x2"}, "train_examples": 60}
    return DataConfig(**raw, validation_examples=20, tokenizer=str(tokenizer), **more)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A folder with a byte-pair tokenizer of 513 tokens."""
    folder = tmp_path_factory.mktemp("words")
    byte_pair_tokenizer().save_pretrained(folder)
    return folder


def pretrained(words, folder, tied=True, vocabulary=520):
    """A small model with more words than its tokenizer, and that tokenizer."""
    torch.manual_seed(0)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 64, "vocab_size": vocabulary}
    config = GPT2Config(**sizes, tie_word_embeddings=tied, initializer_range=0.5)
    GPT2LMHeadModel(config).save_pretrained(folder)
    pretrained_tokenizer(str(words)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("separator", ["eos", "own"])
def test_ids_of_the_data_come_first_and_stand_for_the_same_text(words, separator):
    config = data_config(words, separator=separator)
    whole, small = load_data(config), load_data(config, vocabulary="data")
    kept = kept_tokens(small.tokenizer)
    assert kept < 40 and len(small.tokenizer) == len(whole.tokenizer)
    before = np.array(rows_before(small.tokenizer, whole.tokenizer))
    for name, split in small.splits.items():
        theirs = whole.splits[name]
        assert split.tokens.max() == kept - 1 or name == "validation"
        assert np.array_equal(before[split.tokens], theirs.tokens)
        assert np.array_equal(split.starts, theirs.starts)
        assert np.array_equal(split.cot_lengths, theirs.cot_lengths)
    ours, others = separators(small.tokenizer), separators(whole.tokenizer)
    assert before[list(ours)].tolist() == list(others)
    assert small.separator_id == ours.answer
    assert small.fingerprint != whole.fingerprint


@pytest.mark.slow
def test_steps_and_real_tokens_of_gpt2_are_kept_alike():
    folder = shared("data", "gpt2_tokenizer")
    config = data_config(folder)
    whole, small = load_data(config, "step"), load_data(config, "step", "data")
    assert np.array_equal(small.train.steps.ends, whole.train.steps.ends)
    assert kept_tokens(small.tokenizer) < 60
    text = " 1 2 * 3 4 <|endoftext|> and some other text\n\n that nobody trained on é"
    ours, theirs = small.tokenizer(text)["input_ids"], whole.tokenizer(text)["input_ids"]
    again = whole.tokenizer.convert_tokens_to_ids(small.tokenizer.convert_ids_to_tokens(ours))
    assert again == theirs
    assert small.tokenizer.decode(ours) == whole.tokenizer.decode(theirs)


def test_a_prompt_with_another_token_is_refused_in_one_sentence(words):
    small = load_data(data_config(words), vocabulary="data").tokenizer
    assert max(encode_prompt(small, "1 2 * 3 4")) < kept_tokens(small)
    with pytest.raises(UserError, match=r"no word ' x'.*model.vocabulary = 'data'.*take it out"):
        encode_prompt(small, "1 2 x 3 4")
    with pytest.raises(UserError, match="no word"):
        encode_prompt(small, "12 * 34 é")


def test_a_tokenizer_may_skip_ids(words, tmp_path):
    core = json.loads(pretrained_tokenizer(str(words)).backend_tokenizer.to_str())
    vocabulary = {word: number + 70_000 for word, number in core["model"]["vocab"].items()}
    core["model"]["vocab"] = vocabulary | {"<|endoftext|>": 80_000}
    core["added_tokens"][0]["id"] = 80_000
    tokenizer = Tokenizer.from_str(json.dumps(core))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    fast.save_pretrained(tmp_path)
    small, whole = (load_data(data_config(tmp_path), vocabulary=v) for v in ("data", "all"))
    assert whole.train.tokens.min() >= 70_000
    before = np.array(rows_before(small.tokenizer, whole.tokenizer))
    assert np.array_equal(before[small.train.tokens], whole.train.tokens)


def skipping(words, folder, end, first=0):
    """A folder with the tokenizer, whose ids skip those from 100 to 149."""
    core = json.loads(pretrained_tokenizer(str(words)).backend_tokenizer.to_str())
    vocabulary = core["model"]["vocab"].items()
    core["model"]["vocab"] = {
        word: first + number + (50 if number >= 100 else 0) for word, number in vocabulary
    }
    core["added_tokens"] = []
    if end is not None:
        core["model"]["vocab"]["<|endoftext|>"] = end
    tokenizer = Tokenizer.from_str(json.dumps(core))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    fast.save_pretrained(folder)
    return folder


def test_a_model_has_a_row_for_the_greatest_id_too(words, tmp_path):
    folder = skipping(words, tmp_path / "words", 900)
    config = tiny(data={"tokenizer": str(folder), "separator": "eos"}, model={"vocabulary": "all"})
    run = train_new(tmp_path / "runs", config)
    opened = open_checkpoint(list_checkpoints(run.checkpoints)[-1].path)
    assert len(opened.tokenizer) == 513 and kept_tokens(opened.tokenizer) == 901
    assert opened.model.get_input_embeddings().weight.shape[0] == 901
    assert opened.tokenizer.eos_token_id == 900


def test_a_tokenizer_in_which_an_id_means_two_tokens_is_refused(words, tmp_path):
    """An end-of-text token that is added gets the number of tokens as its id."""
    folder = skipping(words, tmp_path, None)
    with pytest.raises(UserError, match=r"two tokens have the same id: 512 stands for"):
        load_data(data_config(folder, separator="eos"))


def test_separators_that_would_get_the_id_of_another_token_are_refused(words, tmp_path):
    folder = skipping(words, tmp_path, 0, first=1)
    assert load_data(data_config(folder, separator="eos")).train.tokens.max() > 0
    with pytest.raises(
        UserError, match=r"skip numbers.*513 stands for '<\|cot\|>'.*data.separator = 'eos'"
    ):
        load_data(data_config(folder, separator="own"))


def test_a_character_tokenizer_has_no_other_tokens():
    config = data_config("character")
    assert load_data(config, vocabulary="data").fingerprint == load_data(config).fingerprint


@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_is_that_of_a_softmax_over_the_kept_words(words, tmp_path, tied):
    folder = pretrained(words, tmp_path, tied)
    whole, small = (load_data(data_config(words), vocabulary=v) for v in ("all", "data"))
    kept = rows_before(small.tokenizer, whole.tokenizer)
    section = tiny(model={"pretrained": str(folder), "dropout": 0.0}).model
    large = build_model(section, len(whole.tokenizer), whole.separator_id, 64, seed=0)
    lm = build_model(section, len(whole.tokenizer), whole.separator_id, 64, 0, kept=kept)
    assert lm.config.vocab_size == lm.get_output_embeddings().out_features == len(kept)
    assert lm.config.eos_token_id == small.separator_id
    ids, large_ids = (torch.tensor(data.train.example(0))[None] for data in (small, whole))
    targets = ids[0, 1:]
    states = torch.arange(len(targets))
    with torch.no_grad():
        loss = SupervisedLM(lm.eval())(ids, None, states, targets)
        logits = large.eval()(large_ids[:, :-1]).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[:, kept], targets, reduction="sum")
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)
    everything = torch.nn.functional.cross_entropy(logits, large_ids[0, 1:], reduction="sum")
    assert everything > loss  # by what the softmax gives to the words that are left out


def run_config(words, **more):
    data = {"tokenizer": str(words)}
    model = {"vocabulary": "data", **more.pop("model", {})}
    train_section = {"max_steps": 12, "decay_steps": 0, **more.pop("train", {})}
    return tiny(data=data, model=model, train=train_section, **more)


@pytest.mark.slow
def test_a_run_resumes_exactly_and_its_checkpoint_opens_as_any(words, tmp_path):
    whole = train_new(tmp_path / "whole", run_config(words))
    parted = train_new(tmp_path / "parted", run_config(words))
    for checkpoint in list_checkpoints(parted.checkpoints)[2:]:
        for path in sorted(checkpoint.path.iterdir()):
            path.unlink()
        checkpoint.path.rmdir()
    train(parted)
    assert_same(final_tensors(whole), final_tensors(parted))

    path = list_checkpoints(whole.checkpoints)[-1].path
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path)
    kept = json.loads((path / "icot_tui.json").read_text())["tokenizer"]["kept"]
    assert model.config.vocab_size == kept == kept_tokens(tokenizer) < 40
    ids = tokenizer(" 1 2 * 3 4 <|endoftext|>", return_tensors="pt")["input_ids"]
    assert torch.isfinite(model(ids).logits).all()
    opened = open_checkpoint(path)
    assert encode_prompt(opened.tokenizer, "1 2 * 3 4") == ids[0].tolist()


def test_a_checkpoint_can_be_trained_on_with_its_own_words_only(words, tmp_path):
    folder = train_new(tmp_path, run_config(words, train={"max_steps": 2}))
    path = str(list_checkpoints(folder.checkpoints)[-1].path)
    own = run_config(path, model={"pretrained": path, "dropout": 0.0}, name="on")
    train_new(tmp_path, own)
    whole = tiny(data={"tokenizer": str(words)}, model={"pretrained": path}, name="other")
    with pytest.raises(UserError, match="is not the tokenizer that the model was trained with"):
        train_new(tmp_path, whole)


def test_a_pretrained_model_is_cut_to_the_words_of_the_data(words, tmp_path):
    folder = pretrained(words, tmp_path / "model")
    model = {"pretrained": str(folder), "dropout": 0.0}
    for separator in ("eos", "own"):
        config = run_config(words, model=model, train={"max_steps": 3}, name=separator)
        section = config.data.model_copy(update={"separator": separator})
        run = train_new(tmp_path / "runs", config.model_copy(update={"data": section}))
        tensors = final_tensors(run)
        assert tensors["transformer.wte.weight"].shape[0] < 40


def test_adapters_are_refused():
    with pytest.raises(ValueError, match="adapters can't tell"):
        tiny(model={"vocabulary": "data", "pretrained": "gpt2", "lora": {"rank": 2}})

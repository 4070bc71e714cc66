"""Answers against transformers' own generate, and the chain of thought drawn whole."""

import numpy as np
import pytest
import torch

from icot_tui.analysis import budget, loaded_model
from icot_tui.analysis.answer import Sampling, whole_chain
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.errors import UserError
from tests.analysis.made import add_checkpoint, make_config, make_run, random_model


def model(runs, stage=3, name="asked", seed=1, **curriculum):
    data = curriculum.pop("data", {})
    config = make_config(name=name, curriculum={"keep_positions": False} | curriculum, data=data)
    run = make_run(runs, config)
    model = random_model(config, seed=seed, scale=8.0)
    return LoadedModel(open_safely(add_checkpoint(run, config, model, stage)))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Without kept positions, so that generate can do the same."""
    return model(tmp_path_factory.mktemp("runs"))


def generated(asked, prompt, budget):
    def two_separators(ids, scores, **options):
        return (ids[:, len(prompt) :] == asked.token_format.separator_id).sum(dim=1) >= 2

    out = asked.lm.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=budget,
        eos_token_id=None,
        stopping_criteria=[two_separators],
        return_dict_in_generate=True,
        output_logits=True,
    )
    logits = torch.stack(out.logits, 1)[0]
    ids = out.sequences[0, len(prompt) :]
    return ids.tolist(), torch.softmax(logits, -1).gather(1, ids[:, None])[:, 0]


@pytest.mark.parametrize("text", ["12*34", "99*99", "10 * 10", "70×81"])
def test_an_answer_is_what_generate_writes(plain, text):
    answer = plain.ask(text)
    expected, chances = generated(plain, list(answer.question.prompt), answer.decoded)
    written = [token for token in answer.chain if token.written]
    texts = [plain.token_text(token) for token in expected]
    assert [token.text for token in written] == texts[: len(written)]
    assert len(expected) == answer.decoded
    own = [token.probability for token in written]
    assert own == pytest.approx(chances[: len(own)].tolist(), abs=1e-4)
    if answer.tokens:
        last = [token.probability for token in answer.tokens]
        assert last == pytest.approx(chances[-len(last) :].tolist(), abs=1e-4)


@pytest.mark.slow
def test_many_questions_at_once_get_the_answers_they_get_alone(plain):
    texts = [f"{a}*{b}" for a, b in np.random.default_rng(0).integers(10, 100, (30, 2))]
    together = plain.answer([plain.reader.read(text) for text in texts])
    for text, answer in zip(texts, together, strict=True):
        alone = plain.ask(text)
        assert answer.chain[:3] == alone.chain[:3] or answer.decoded == alone.decoded
        assert [t.text for t in answer.chain] == [t.text for t in alone.chain]
        assert answer.answer == alone.answer


def test_a_right_answer_is_known_as_right_and_shown_as_a_person_writes_it(carries):
    answer = carries.ask("12*34")
    assert answer.question.input == "2 1 * 4 3"
    assert (answer.expected, answer.hidden, answer.stage) == ("408", 8, 8)
    assert [token.text for token in answer.chain[:8]] == list("840+0630")
    assert not any(token.written for token in answer.chain[:8])
    assert (answer.right, answer.finished) == (False, False)  # it knows the first digit only
    assert carries.ask("2 1 * 4 3", raw=True).question.input == "2 1 * 4 3"
    assert carries.ask("2 1 * 4", raw=True).expected is None
    assert carries.ask("1 2 * 3 4||9 9 #### 7 7", raw=True).expected == "77"


def test_sampling_repeats_itself_by_its_seed_and_leaves_the_random_generator_alone(plain):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = (plain.ask("12*34", sampling=Sampling(5.0, seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.chain == same.chain
    assert one.chain != other.chain


def test_kept_positions_are_those_of_training(carries, split):
    """The prompt of a question at a stage carries exactly the ids of the training batch."""
    question = carries.reader.example(split, 3)
    for written in (0, 3, 8):
        prefixes = carries._staged(question, written, None).prefixes
        batch = carries.token_format.batch(split, np.array([3]), 8 - written)
        length = len(question.prompt)
        positions = prefixes.shift.positions(length)
        trained = np.arange(length) if batch.positions is None else batch.positions[0, :length]
        assert positions[0].tolist() == trained.tolist()


def test_with_side_right_so_many_tokens_are_written_and_then_the_separator(tmp_path):
    asked = model(tmp_path, side="right", name="right")
    for written in (0, 2, 5):
        answer = asked.ask("12*34", written=written)
        assert answer.written == written
        assert [t.written for t in answer.chain] == [True] * written + [False] * (8 - written)


@pytest.mark.slow
def test_many_questions_with_a_budget_get_the_answers_they_get_alone(tmp_path):
    """Of unlike lengths, too: the separator is fed to each row when its own thought is over."""
    asked = model(tmp_path, side="right", name="right", data={"options": {"digits": "2x1,2x2"}})
    texts = ["12*34", "99*9", "10*10", "71*6", "70*81"]
    questions = [asked.reader.read(text) for text in texts]
    for stage in (0, 3, 6, 99):
        for answer in (found := budget._ask(asked, questions, stage)):
            chain = answer.question.gold.max_cot_tokens
            assert answer.written == max(chain - stage, 0)
            alone = asked.ask(answer.question.text, written=answer.written)
            assert [t.text for t in answer.chain] == [t.text for t in alone.chain]
            assert answer.answer == alone.answer
        assert sorted(answer.question.text for answer in found) == sorted(texts)


def test_any_number_of_questions_is_asked_in_parts(carries, monkeypatch):
    questions = [carries.reader.read(f"{number}*34") for number in (12, 99, 10, 71, 70)]
    whole = carries.answer(questions)
    sizes = []
    group = LoadedModel._answer_batch

    def counted(self, questions, *rest):
        sizes.append(len(questions))
        return group(self, questions, *rest)

    monkeypatch.setattr(loaded_model, "BATCH_ROWS", 2)
    monkeypatch.setattr(LoadedModel, "_answer_batch", counted)
    parts = carries.answer(questions)
    assert sizes == [2, 2, 1] and carries.answer([]) == []
    assert [one.question for one in parts] == questions
    assert [one.answer for one in parts] == [one.answer for one in whole]


def test_a_budget_without_mixed_stages_is_warned_of(carries, plain):
    assert "not trained with mixed stages" in carries.ask("12*34", written=3).notes[-1]
    assert "nothing tells this model" in plain.ask("12*34", written=7).notes[-1]
    with pytest.raises(UserError, match="has 8 tokens, 9 are too many"):
        carries.ask("12*34", written=9)


def test_bad_questions_are_one_sentence(carries, plain):
    for text, told in [
        ("", "the question is empty"),
        ("twelve", "is no product"),
        ("123*4", "has 3x1 digits"),
    ]:
        with pytest.raises(UserError, match=told):
            carries.ask(text)
    with pytest.raises(UserError, match="no token for 'x'"):
        carries.ask("1 x 2", raw=True)
    with pytest.raises(UserError, match="needs 31 positions, but the model has 24"):
        carries.ask(" ".join("1" * 21), raw=True)


def test_ghosts_stand_where_tokens_are_hidden():
    def drawn(written, hidden, explicit="abcd"):
        chain = whole_chain(list(written), [0.5] * len(written), list(explicit), hidden)
        return "".join(t.text if t.written else f"({t.text})" for t in chain)

    assert drawn("cd", [0, 1]) == "(a)(b)cd"
    assert drawn("ab", [2, 3]) == "ab(c)(d)"
    assert drawn("bd", [0, 2]) == "(a)b(c)d"
    assert drawn("", [0, 1, 2, 3]) == "(a)(b)(c)(d)"
    assert drawn("x", [0, 1, 2, 3]) == "(a)(b)(c)(d)x"
    assert drawn("cdef", [0, 1]) == "(a)(b)cdef"
    assert drawn("abef", [2, 3]) == "abef(c)(d)"
    assert drawn("c", [0, 1]) == "(a)(b)c"
    first = whole_chain(["z"], [0.5], ["a", "b"], [0])[1]
    assert (first.right, first.expected, first.place) == (False, "b", 1)
    assert [t.text for t in whole_chain(["z"], [0.5], None, [0])] == ["z"]

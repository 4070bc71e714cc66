"""Batched decoding with padding and a cache against one row at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icot_tui.config import ModelConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat, remove
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.tokenizing import Separators, character_tokenizer
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes
from icot_tui.errors import Cancelled
from icot_tui.models.build import build_model

SEP = 0
SEPARATORS = Separators(SEP, SEP, SEP)
VOCABULARY = 9


def plainly(lm, prompt, budget, separators=0, positions=None):
    """Greedy decoding of one unpadded row without a cache: the definition."""
    ids = list(prompt)
    while len(ids) < len(prompt) + budget and separators < 2:
        place = torch.arange(len(ids)) if positions is None else positions(len(ids))
        with torch.no_grad():
            logits = lm(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids)),
                position_ids=place[None],
                use_cache=False,
            ).logits
        ids.append(int(logits[0, -1].argmax()))
        separators += ids[-1] == SEP
    return ids[len(prompt) :]


def generated(lm, prompt, budget):
    """The same by transformers' own generate."""

    def two_separators(ids, scores, **options):
        return (ids[:, len(prompt) :] == SEP).sum(dim=1) >= 2

    out = lm.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=budget,
        eos_token_id=None,
        stopping_criteria=[two_separators],
    )
    return out[0, len(prompt) :].tolist()


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def lm(request):
    config = ModelConfig(architecture=request.param, layers=2, heads=2, width=16)
    model = build_model(config, VOCABULARY, SEP, positions=64, seed=5).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # far from uniform, so that rows differ
            parameter.mul_(6 if parameter.ndim > 1 else 1)
    return model


def unshifted(rows):
    return PositionShift(np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64))


def ragged_prompts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, VOCABULARY, rng.integers(1, 12)).tolist() for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_equals_one_row_at_a_time(lm, batch_size):
    prompts = ragged_prompts(40)
    budgets = np.random.default_rng(1).integers(0, 20, len(prompts))
    none_yet = np.zeros(len(prompts), dtype=np.int64)
    prefixes = Prefixes.from_rows(prompts, unshifted(len(prompts)), none_yet, budgets)
    written = decode(lm, prefixes, SEPARATORS, batch_size=batch_size)
    expected = [plainly(lm, *row) for row in zip(prompts, budgets, strict=True)]
    assert [written.row(row) for row in range(len(prompts))] == expected
    ends = {tokens[-1:] == [SEP] for tokens in expected if tokens}
    assert ends == {True, False}, "some rows should close, some should run out of budget"


def test_equals_generate(lm):
    prompts = ragged_prompts(12, seed=3)
    budgets = np.full(len(prompts), 15)
    none_yet = np.zeros(len(prompts), dtype=np.int64)
    prefixes = Prefixes.from_rows(prompts, unshifted(len(prompts)), none_yet, budgets)
    written = decode(lm, prefixes, SEPARATORS)
    for row, prompt in enumerate(prompts):
        assert written.row(row) == generated(lm, prompt, 15)


def test_equal_lengths_need_no_mask(lm):
    prompts = [prompt[:4] for prompt in ragged_prompts(30, seed=7) if len(prompt) >= 4]
    none_yet = np.zeros(len(prompts), dtype=np.int64)
    prefixes = Prefixes.from_rows(
        prompts, unshifted(len(prompts)), none_yet, np.full(len(prompts), 9)
    )
    written = decode(lm, prefixes, SEPARATORS)
    expected = [plainly(lm, prompt, 9) for prompt in prompts]
    assert [written.row(row) for row in range(len(prompts))] == expected


def test_separators_already_written_count(lm):
    prompts = ragged_prompts(30, seed=2)
    written_before = np.arange(len(prompts)) % 3
    prefixes = Prefixes.from_rows(
        prompts, unshifted(len(prompts)), written_before, np.full(len(prompts), 10)
    )
    written = decode(lm, prefixes, SEPARATORS, batch_size=8)
    for row, prompt in enumerate(prompts):
        assert written.row(row) == plainly(lm, prompt, 10, int(written_before[row]))


@pytest.mark.slow
def test_kept_positions(lm):
    prompts = ragged_prompts(20, seed=4)
    rng = np.random.default_rng(0)
    shift = PositionShift(rng.integers(0, 15, len(prompts)), rng.integers(0, 9, len(prompts)))
    none_yet = np.zeros(len(prompts), dtype=np.int64)
    prefixes = Prefixes.from_rows(prompts, shift, none_yet, np.full(len(prompts), 12))
    written = decode(lm, prefixes, SEPARATORS, batch_size=6)
    for row, prompt in enumerate(prompts):
        own = shift.rows(np.array([row]))

        def positions(columns, own=own):
            return torch.from_numpy(own.positions(columns)[0])

        assert written.row(row) == plainly(lm, prompt, 12, positions=positions)


def test_no_row_leaves_the_position_table():
    """A row at the end of its budget stays in the table while others write on."""
    lm = build_model(ModelConfig(layers=1, heads=2, width=16), VOCABULARY, SEP, 16, 0).eval()
    prompts = [[1] * 14, [1, 2], [3]]
    budgets = np.array([16 - len(prompt) for prompt in prompts])
    none_yet = np.zeros(3, dtype=np.int64)
    written = decode(lm, Prefixes.from_rows(prompts, unshifted(3), none_yet, budgets), SEPARATORS)
    assert (written.counts <= budgets).all()


def test_nothing_to_decode(lm):
    empty = np.zeros(0, dtype=np.int64)
    written = decode(lm, Prefixes.from_rows([], unshifted(0), empty, empty), SEPARATORS)
    assert written.counts.shape == (0,)


def test_the_check_ends_the_decoding(lm):
    def check():
        raise Cancelled

    prompts = ragged_prompts(10)
    none_yet = np.zeros(len(prompts), dtype=np.int64)
    budgets = np.full(len(prompts), 20)
    prefixes = Prefixes.from_rows(prompts, unshifted(len(prompts)), none_yet, budgets)
    with pytest.raises(Cancelled):
        decode(lm, prefixes, SEPARATORS, check=check)


SPANS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=6
)


@pytest.mark.parametrize("side", ["left", "right"])
@given(spans=SPANS, stage=st.integers(0, 12))
def test_position_shift_is_that_of_training(side, spans, stage):
    lengths = np.array([sum(span) for span in spans])
    prompt, cot = (np.array([span[i] for span in spans], dtype=np.int32) for i in (0, 1))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    split = EncodedSplit(np.zeros(starts[-1], dtype=np.uint16), starts, prompt, cot)
    plan = RemovalPlan(side, keep_positions=True)
    batch = remove(split, np.arange(len(split)), stage, plan, SEP)
    removed = np.minimum(stage, cot).astype(np.int64)
    shift = PositionShift.of(plan, batch.prompt_lengths, batch.cot_lengths, removed)
    ours = shift.positions(batch.ids.shape[1])
    for row, length in enumerate(batch.lengths):
        assert ours[row, :length].tolist() == batch.positions[row, :length].tolist()


class Words:
    """A tokenizer that joins its words; an empty word stands for a special token."""

    all_special_ids = ()

    def __init__(self, words):
        self.words = words
        self.eos_token_id, self.added_tokens_encoder = SEP, {}

    def decode(self, ids, **options):
        return "".join(self.words[number] for number in ids)


def reader(tokenizer, separator=SEP, compare=None):
    return AnswerReader(TokenFormat(tokenizer, separator, RemovalPlan()), compare)


WORD = st.text(alphabet="ab ", max_size=3)


@given(
    words=st.lists(WORD, min_size=2, max_size=6),
    begin=st.lists(st.integers(0, 5), max_size=3),
    tails=st.tuples(*[st.lists(st.integers(0, 5), max_size=4)] * 2),
    pair=st.tuples(st.integers(-1, 5), st.integers(-1, 5)),
)
def test_never_equal_is_never_wrong(words, begin, tails, pair):
    """Where it says so, no continuation makes the two answers equal."""
    words = ["", "####", *words]  # the separator, the mark, and the rest
    begin, *tails = ([2 + i % (len(words) - 2) for i in part] for part in (begin, *tails))
    one, other = (0 if i < 0 else 2 + i % (len(words) - 2) for i in pair)
    answers = reader(Words(words))
    if answers.never_equal(np.array([one]), np.array([other]))[0]:
        texts = []
        for token, tail in ((one, tails[0]), (other, tails[1])):
            rest = [] if token == SEP else [token, *tail]
            texts.append(answers.text([1, *begin, *rest]))
        assert texts[0] != texts[1]


NUMERIC = st.text(alphabet="0123,.$-a ", max_size=3)


@pytest.mark.slow
@settings(max_examples=2000)
@given(
    words=st.lists(NUMERIC, min_size=1, max_size=5),
    begin=st.lists(st.integers(0, 4), max_size=3),
    tails=st.tuples(*[st.lists(st.integers(0, 4), max_size=3)] * 2),
    pair=st.tuples(*[st.integers(-1, 4)] * 2),
)
def test_numbers_that_are_never_equal_never_are(words, begin, tails, pair):
    """The same for answers that are compared as numbers."""
    words = ["", "####", *words]
    begin, *tails = ([2 + i % (len(words) - 2) for i in part] for part in (begin, *tails))
    one, other = (0 if i < 0 else 2 + i % (len(words) - 2) for i in pair)
    answers = reader(Words(words), compare="number")
    if answers.never_equal(np.array([one]), np.array([other]))[0]:
        texts = [
            answers.text([1, *begin, *([] if token == SEP else [token, *tail])])
            for token, tail in zip((one, other), tails, strict=True)
        ]
        assert not answers.equal(*texts)


def test_most_wrong_digits_of_numbers_are_settled_too():
    tokenizer = character_tokenizer("0123456789,.")
    vocabulary, sep = tokenizer.get_vocab(), tokenizer.eos_token_id
    answers = reader(tokenizer, sep, "number")

    def settled(one, other):
        pair = (np.array([vocabulary.get(token, sep)]) for token in (one, other))
        return bool(answers.never_equal(*pair)[0])

    assert settled(" 1", "2") and settled("SEP", "3") and settled("3", "SEP")
    assert not settled("0", "2"), "a zero may lead: 02 is 2"
    assert not settled(",", "2") and not settled("SEP", ".") and not settled("SEP", "0")


def test_never_equal_settles_digits():
    tokenizer = character_tokenizer("0123456789")
    answers = reader(tokenizer, tokenizer.eos_token_id)
    with_blank, without = (
        [tokenizer.get_vocab()[blank + digit] for digit in "0123456789"] for blank in (" ", "")
    )
    sep, blank = tokenizer.eos_token_id, tokenizer.get_vocab()[" "]

    def settled(one, other):
        return bool(answers.never_equal(np.array([one]), np.array([other]))[0])

    assert settled(with_blank[1], with_blank[2])
    assert settled(with_blank[1], without[2])
    assert not settled(with_blank[1], without[1])
    assert settled(sep, with_blank[1])
    assert settled(with_blank[1], sep)
    assert not settled(sep, blank)
    assert not settled(blank, with_blank[1])


def test_parts_of_characters_are_left_open():
    answers = reader(Words(["", "####", "\ufffd", "\u00e9", "x"]))
    pairs = np.array([[2, 3], [2, 4], [3, 4]]).T
    assert answers.never_equal(*pairs).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ([1, 2, 3], "a b"),
        ([4, 1, 2], "a"),  # what stands before the mark is no part of the answer
        ([2, 3], None),
        ([1], ""),
        ([1, 1, 2], "#### a"),
        ([5, 6, 2], "a"),
    ],
)
def test_text_of_an_answer(section, text):
    answers = reader(Words(["", " ####", " a", " b", " 7", " #", "###"]))
    assert answers.text(section) == text


def test_section_and_mark():
    answers = reader(Words(["", " ####", " a", " b", " 7", " #", "###"]))
    assert answers.section([2, SEP, 1, 2, SEP]) == [1, 2]
    assert answers.section([2, SEP, 1, 2]) is None
    assert answers.section([SEP, SEP]) == []
    assert answers.mark_length([1, 2]) == 1
    assert answers.mark_length([5, 6, 2]) == 2
    assert answers.mark_length([2]) is None

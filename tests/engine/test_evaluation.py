"""Evaluation against its definition: plain greedy decoding of one prompt at a time."""

import json

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from icot_tui.config import EvaluationConfig, ModelConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat, remove
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.engine.evaluation.exact_match import merge, wilson
from icot_tui.engine.evaluation.held_out import PreparedModel, Speed, measure_speed
from icot_tui.engine.evaluation.samples import choose_samples, read_samples, write_samples
from icot_tui.engine.evaluation.staged_examples import SPARE_TOKENS
from icot_tui.errors import Cancelled, UserError
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from tests.engine.behaviours import BEHAVIOURS, NUMBER, SEP, WORDS, ids_of, prompts, split_of
from tests.engine.test_decoding import generated, plainly


@pytest.fixture(scope="module")
def tokenizer():
    core = Tokenizer(WordLevel({"<|sep|>": SEP} | {word: NUMBER[word] for word in WORDS}))
    core.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=AddedToken("<|sep|>", special=True)
    )


@pytest.fixture(scope="module")
def split():
    return split_of(list(zip(prompts(), map(ids_of, BEHAVIOURS), strict=True)))


def build(architecture, positions=64, seed=0):
    config = ModelConfig(architecture=architecture, layers=2, heads=2, width=32)
    return build_model(config, 1 + len(WORDS), SEP, positions, seed)


def taught(architecture, stage, plan):
    """A model that has learnt the behaviours by heart, at a stage."""
    model = SupervisedLM(build(architecture))
    written = [ids_of(other or right) for right, other in BEHAVIOURS.items()]
    lessons = split_of(list(zip(prompts(), written, strict=True)))
    batch = remove(lessons, np.arange(len(lessons)), stage, plan, SEP)
    states, targets = map(torch.from_numpy, batch.supervised())
    positions = None if batch.positions is None else torch.from_numpy(batch.positions)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(400):
        loss = model(torch.from_numpy(batch.ids), positions, states, targets) / len(targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.01:
            break
    return model.eval()


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request):
    return taught(request.param, 0, RemovalPlan())


def reference(lm, split, stage, plan, tokenizer, budget, table):
    """(tokens written, right?) of each example by the definition."""
    gold = remove(split, np.arange(len(split)), stage, plan, SEP)
    written_lengths = gold.lengths - gold.prompt_lengths
    budget = budget or int(written_lengths.max()) + SPARE_TOKENS
    for row, (prompt, cot) in enumerate(zip(gold.prompt_lengths, gold.cot_lengths, strict=True)):
        ids = gold.ids[row, :prompt].tolist()
        removed = min(stage, int(split.cot_lengths[row])) * plan.keep_positions
        most = min(budget, max(table - int(prompt) - removed, int(written_lengths[row])))
        if plan.keep_positions:
            moves = int(prompt) - 1 if plan.side == "left" else int(prompt) + int(cot) - 1

            def positions(columns, moves=moves, removed=removed):
                return torch.tensor([i + removed * (i >= moves) for i in range(columns)])

            written = plainly(lm, ids, most, positions=positions)
        else:
            written = generated(lm, ids, most)
        expected = split.example(row)[split.prompt_lengths[row] :].tolist()
        yield written, text_of(tokenizer, written) == text_of(tokenizer, expected)


def text_of(tokenizer, written):
    """The answer's text, or something that equals none."""
    if written.count(SEP) < 2:
        return object()
    first = written.index(SEP)
    section = tokenizer.decode(written[first + 1 : written.index(SEP, first + 1)])
    return section.split("####", 1)[1].strip() if "####" in section else object()


def run(model, split, tokenizer, stage=0, plan=None, **settings):
    config = EvaluationConfig(**{"batch_size": 7, "samples": 0} | settings)
    token_format = TokenFormat(tokenizer, SEP, plan or RemovalPlan())
    return evaluate(model, split, stage, token_format, config)


KEPT_LEFT = RemovalPlan("left", keep_positions=True)
KEPT_RIGHT = RemovalPlan("right", keep_positions=True)


def assert_equals_the_definition(model, split, tokenizer, stage, plan, **settings):
    """Right or wrong, and every word that the model writes. Returns how many are right."""
    result = run(model, split, tokenizer, stage, plan, samples=len(split), **settings)
    budget = settings.get("max_new_tokens")
    table = model.lm.config.max_position_embeddings
    found = list(
        reference(
            lm=model.lm,
            split=split,
            stage=stage,
            plan=plan,
            tokenizer=tokenizer,
            budget=budget,
            table=table,
        )
    )
    assert result.right.tolist() == [right for _, right in found]
    for sample in result.samples:
        cot, _, rest = tokenizer.decode(found[sample.index][0]).partition("<|sep|>")
        _, mark, answer = rest.partition("<|sep|>")[0].partition("####")
        assert sample.model_cot == cot.strip()
        assert sample.model_answer == (answer.strip() if mark else None)
    return result.correct


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "plan"),
    [
        (0, RemovalPlan()),
        (2, RemovalPlan("right")),
        (1, RemovalPlan.seeded("random", False, 9, seed=1)),
        (9, KEPT_LEFT),
    ],
    ids=["left", "right", "random", "kept"],
)
def test_equals_plain_greedy_decoding(model, split, tokenizer, stage, plan):
    assert_equals_the_definition(model, split, tokenizer, stage, plan)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "stage", "plan"),
    [
        ("gpt2", 2, RemovalPlan()),
        ("llama", 9, RemovalPlan()),
        ("gpt2", 2, KEPT_LEFT),
        ("llama", 1, KEPT_RIGHT),
    ],
    ids=["half", "implicit", "kept", "kept-right"],
)
def test_equals_plain_greedy_decoding_after_removal(architecture, stage, plan, split, tokenizer):
    model = taught(architecture, stage, plan)
    right = assert_equals_the_definition(model, split, tokenizer, stage, plan)
    assert 8 < right < 16, "the model should have learnt to be right and wrong at this stage"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("plan", [RemovalPlan(), KEPT_LEFT], ids=["plain", "kept"])
def test_equals_plain_greedy_decoding_of_a_random_model(architecture, split, tokenizer, plan):
    model = SupervisedLM(build(architecture, seed=3)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.ndim > 1 else 1)
    assert_equals_the_definition(model, split, tokenizer, 2, plan)


@pytest.mark.slow
def test_every_behaviour_is_judged_as_it_should_be(model, split, tokenizer):
    """The model does what it was taught, so that divergence at every kind of place is met."""
    written = [ids_of(other or right) for right, other in BEHAVIOURS.items()]
    found = [
        tokens
        for tokens, _ in reference(
            lm=model.lm,
            split=split,
            stage=0,
            plan=RemovalPlan(),
            tokenizer=tokenizer,
            budget=None,
            table=64,
        )
    ]
    endless = len(written) - 1
    assert found[:endless] == written[:endless]
    assert found[endless][: len(written[endless])] == written[endless][: len(found[endless])]
    result = run(model, split, tokenizer)
    right = [row in (0, 1, 2, 3, 5, 6, 9, 10, 14, 15, 18, 19) for row in range(len(split))]
    assert result.right.tolist() == right
    assert result.correct == sum(right)
    assert result.exact_match == sum(right) / len(split)


@pytest.mark.slow
def test_only_what_is_open_is_decoded(model, split, tokenizer):
    """Not what is right to the end, nor what is wrong beyond hope."""
    result = run(model, split, tokenizer)
    settled = {0, 1, 2} | {11, 12, 13, 20, 21, 23}
    assert result.decoded == len(split) - len(settled)


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 6, 8])
def test_budget(model, split, tokenizer, most):
    """Rows cut off by max_new_tokens are wrong, though their gold tokens are all arg-maxes."""
    assert_equals_the_definition(model, split, tokenizer, 0, RemovalPlan(), max_new_tokens=most)


@pytest.mark.parametrize("plan", [RemovalPlan(), KEPT_LEFT], ids=["plain", "kept"])
def test_short_position_table(split, tokenizer, plan):
    """Written tokens never leave a learnt position table."""
    model = SupervisedLM(build("gpt2", positions=split.max_length, seed=1)).eval()
    assert_equals_the_definition(model, split, tokenizer, 2, plan)


def test_loss_and_token_accuracy(model, split, tokenizer):
    stage = 1
    batch = remove(split, np.arange(len(split)), stage, RemovalPlan(), SEP)
    with torch.no_grad():
        logits = model.lm(torch.from_numpy(batch.ids)).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), torch.from_numpy(batch.ids[:, 1:]), reduction="none"
    )
    hits = (logits.argmax(-1)[:, :-1] == torch.from_numpy(batch.ids[:, 1:])).numpy()
    by_place = {place: [] for place in range(4)}
    closing, total, count = [], 0.0, 0
    for row in range(len(split)):
        prompt, end = int(batch.prompt_lengths[row]), int(batch.lengths[row])
        total += float(losses[row, prompt - 1 : end - 1].sum())
        count += end - prompt
        begin = prompt + int(batch.cot_lengths[row]) + 2  # after SEP and ` ####`
        blank = batch.ids[row, end - 2] == NUMBER[" "]
        for place, column in enumerate(range(begin, end - 1 - blank)):
            by_place[place].append(hits[row, column - 1])
        closing.append(hits[row, end - 2])
    result = run(model, split, tokenizer, stage)
    assert result.loss == pytest.approx(total / count, rel=1e-5)
    assert result.tokens == count
    expected = [float(np.mean(by_place[place])) for place in by_place if by_place[place]]
    assert result.token_accuracy == pytest.approx([*expected, float(np.mean(closing))])


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2, 5, 40])
def test_shards_merge_to_the_whole(model, split, tokenizer, world):
    config = EvaluationConfig(batch_size=4, samples=6)
    arguments = (model, split, 1, TokenFormat(tokenizer, SEP, RemovalPlan()), config)
    whole = evaluate(*arguments)
    merged = merge([evaluate(*arguments, shard=(rank, world)) for rank in range(world)])
    for name in ("index", "right", "answer_hits", "answer_counts"):
        assert getattr(merged, name).tolist() == getattr(whole, name).tolist()
    assert merged.losses == pytest.approx(whole.losses, rel=1e-4, abs=1e-6)
    assert (merged.tokens, merged.closing_hits) == (whole.tokens, whole.closing_hits)
    assert merged.decoded == whole.decoded
    assert (merged.low, merged.high) == (whole.low, whole.high)
    kinds = [[(s.index, s.kind, s.model_answer) for s in e.samples] for e in (merged, whole)]
    assert kinds[0] == kinds[1]


def test_samples_hold_the_gold_texts(model, split, tokenizer):
    samples = {
        sample.index: sample for sample in run(model, split, tokenizer, 1, samples=24).samples
    }
    assert len(samples) == len(split)
    assert (samples[1].input, samples[1].cot, samples[1].answer) == ("0 1 8", "1 2 3", "4 5 6")
    samples = {sample.index: sample for sample in run(model, split, tokenizer, samples=24).samples}
    assert samples[1].tokens == ("4", "5", "6", "")
    assert min(samples[1].confidence) > 0.5


def test_confidence_is_the_models_probability(model, split, tokenizer):
    sample = run(model, split, tokenizer, samples=1).samples[0]
    ids = split.example(sample.index)[: split.prompt_lengths[sample.index]].tolist()
    written = generated(model.lm, ids, 30)
    with torch.no_grad():
        logits = model.lm(torch.tensor([ids + written])).logits[0]
    shares = torch.softmax(logits, -1)[range(len(ids) - 1, len(ids) + len(written) - 1), written]
    answer = shares[-len(sample.confidence) :]
    assert sample.confidence == pytest.approx(answer.tolist(), rel=1e-4)


def test_samples_are_right_wrong_and_random():
    index, right = np.arange(100), np.arange(100) % 4 == 0
    losses = np.where(index == 7, np.nan, index.astype(np.float64))
    chosen = choose_samples(index, right, losses, wanted=9, examples=100)
    kinds = {kind: [i for i, k in chosen.items() if k == kind] for kind in chosen.values()}
    assert kinds["best"] == [0, 4, 8]
    assert kinds["worst"] == [7, 99, 98]
    assert len(kinds["random"]) == 3
    assert choose_samples(index, right, losses, 9, 100) == chosen
    all_right = choose_samples(index, np.ones(100, dtype=np.bool_), losses, 9, 100)
    assert list(all_right.values()).count("random") == 6


def test_samples_file(tmp_path, model, split, tokenizer):
    samples = run(model, split, tokenizer, samples=4).samples
    odd = replace(samples[0], input="\x1b[31m\u2028[b]\n", loss=None, confidence=(None, 0.5))
    write_samples(tmp_path / "samples.jsonl", [odd, *samples])
    assert read_samples(tmp_path / "samples.jsonl") == [odd, *samples]
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["input"] == odd.input
    assert "\x1b" not in lines[0], "control characters are stored as escapes"
    (tmp_path / "samples.jsonl").write_text(lines[0] + "\n[1]\n")
    assert read_samples(tmp_path / "samples.jsonl") == [odd], "a damaged line is left out"


@pytest.mark.parametrize("calls", [1, 3, 5])
def test_stop(model, split, tokenizer, calls):
    asked = []

    def check():
        asked.append(1)
        if len(asked) == calls:
            raise Cancelled

    config = EvaluationConfig(batch_size=7, samples=0)
    model.train()
    with pytest.raises(Cancelled):
        evaluate(model, split, 0, TokenFormat(tokenizer, SEP, RemovalPlan()), config, check)
    assert model.training, "the model goes on training"
    model.eval()


def test_random_state_is_left_alone(model, split, tokenizer):
    before = torch.get_rng_state()
    run(model, split, tokenizer, samples=6)
    assert torch.equal(torch.get_rng_state(), before)


def test_tokenizer_without_the_mark(model, split):
    core = Tokenizer(WordLevel({"<|sep|>": SEP} | {f"w{i}": i for i in range(1, 30)}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|sep|>")
    with pytest.raises(UserError, match="####"):
        run(model, split, tokenizer)


@pytest.mark.parametrize(
    ("correct", "examples", "low", "high"),
    [  # Newcombe 1998, method 3, and the closed ends
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson(correct, examples, low, high):
    assert wilson(correct, examples) == pytest.approx((low, high), abs=5e-5)


class Clock:
    """Every look at it takes a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.mark.slow
def test_speed(split, model, tokenizer):
    token_format = TokenFormat(tokenizer, SEP, RemovalPlan())
    slow = PreparedModel(model.lm, split, 0, token_format)
    fast = PreparedModel(build("gpt2", seed=1).eval(), split, 9, token_format)
    one, other = measure_speed([slow, fast], seconds=0, questions=4, clock=Clock())
    assert one.seconds == other.seconds == [4.0] * 3, "a second a question, three rounds at least"
    assert one.examples_per_second == 1.0
    assert one.ratio(other) == 1.0
    (alone,) = measure_speed([fast], seconds=0.01, questions=2)
    assert alone.questions == 2
    assert alone.examples_per_second > 0


def test_speed_ratio_is_that_of_rounds_taken_together():
    """Both slow down when the machine is busy: the ratio stays."""
    one, other = Speed([1.0, 9.0, 1.0, 9.0], 3), Speed([2.0, 18.0, 2.0, 18.0], 3)
    assert one.ratio(other) == 2.0
    assert other.ratio(one) == 0.5

"""Removal on whole batches against the obvious loop, for any lengths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from icot_tui.curriculum.removal import RemovalPlan, remove, tokens_to_go
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.steps import StepEnds
from icot_tui.errors import UserError

PAD = 99


def split_of(spans: list[tuple[int, int, int]]) -> EncodedSplit:
    """Examples of (prompt, cot, rest) tokens whose ids count up, so that each is recognised."""
    lengths = np.array([sum(span) for span in spans])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return EncodedSplit(
        np.arange(100, 100 + starts[-1], dtype=np.uint16),
        starts,
        np.array([span[0] for span in spans], dtype=np.int32),
        np.array([span[1] for span in spans], dtype=np.int32),
    )


SPANS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=6
)


def one_by_one(split, row, removed, plan):
    """The published code's way: slice one example."""
    tokens = split.example(row).tolist()
    ids = list(range(len(tokens)))
    prompt, cot = int(split.prompt_lengths[row]), int(split.cot_lengths[row])
    if plan.side == "random":
        gone = sorted(range(cot), key=lambda place: plan.order[place])[:removed]
        keep = [j for j in range(len(tokens)) if j - prompt not in gone]
        return [tokens[j] for j in keep], None
    start = prompt if plan.side == "left" else prompt + cot - removed
    if plan.keep_positions and removed:
        ids[start - 1] += removed
    kept = tokens[:start] + tokens[start + removed :]
    return kept, (ids[:start] + ids[start + removed :]) if plan.keep_positions else None


@pytest.mark.slow
@pytest.mark.parametrize("keep_positions", [False, True])
@pytest.mark.parametrize("side", ["left", "right", "random"])
@given(spans=SPANS, data=st.data())
def test_equals_removing_one_by_one(side, keep_positions, spans, data):
    if side == "random" and keep_positions:
        return
    split = split_of(spans)
    rows = np.array(data.draw(st.permutations(range(len(spans)))), dtype=np.int64)
    scheduled = np.array(
        data.draw(st.lists(st.integers(0, 12), min_size=len(rows), max_size=len(rows)))
    )
    plan = RemovalPlan.seeded(side, keep_positions, max(1, split.max_cot_tokens), seed=3)
    batch = remove(split, rows, scheduled, plan, PAD)
    for i, row in enumerate(rows):
        removed = min(int(scheduled[i]), int(split.cot_lengths[row]))
        kept, positions = one_by_one(split, row, removed, plan)
        length = int(batch.lengths[i])
        assert batch.ids[i, :length].tolist() == kept
        assert (batch.ids[i, length:] == PAD).all()
        assert batch.cot_lengths[i] == split.cot_lengths[row] - removed
        if plan.keep_positions:
            assert batch.positions[i, :length].tolist() == positions
    states, targets = batch.supervised()
    assert len(targets) == batch.supervised_tokens
    following = batch.ids.reshape(-1)[states + 1]
    assert (targets == following).all()
    assert PAD not in targets


@given(cot=st.integers(1, 12), seed=st.integers(0, 5))
def test_random_side_is_nested(cot, seed):
    """What one stage removed stays removed at the next: a curriculum, not a lottery."""
    split = split_of([(2, cot, 3)])
    plan = RemovalPlan.seeded("random", False, cot, seed)
    left = set(remove(split, np.array([0]), 0, plan, PAD).ids[0].tolist())
    for stage in range(1, cot + 1):
        now = set(remove(split, np.array([0]), stage, plan, PAD).ids[0].tolist())
        assert now < left and len(left - now) == 1
        left = now


def test_rows_of_a_batch_lose_their_common_padding():
    split = split_of([(2, 6, 2), (2, 0, 2), (2, 1, 2)])
    batch = remove(split, np.arange(3), 0, RemovalPlan(), PAD)
    part = batch.rows(slice(1, 3))
    assert part.ids.shape == (2, 5)
    chosen = batch.rows(batch.lengths <= 5)
    assert chosen.lengths.tolist() == [4, 5]


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right", "random"])
@given(spans=SPANS)
def test_the_order_of_removal_is_what_removal_does(side, spans):
    split = split_of(spans)
    plan = RemovalPlan.seeded(side, False, max(1, split.max_cot_tokens), seed=3)
    for row, (prompt, cot, _) in enumerate(spans):
        order = plan.removal_order(cot)
        for stage in range(cot + 1):
            batch = remove(split, np.array([row]), stage, plan, PAD)
            gone = set(split.example(row)) - set(batch.ids[0, : batch.lengths[0]])
            assert gone == {split.example(row)[prompt + place] for place in order[:stage]}


@given(spans=SPANS)
def test_what_is_fed_leaves_out_only_the_last_column(spans):
    split = split_of(spans)
    batch = remove(split, np.arange(len(spans)), 2, RemovalPlan(keep_positions=True), PAD)
    ids, positions, states, targets = batch.model_inputs()
    whole_states, whole_targets = batch.supervised()
    assert ids.shape == positions.shape == (len(batch), batch.ids.shape[1] - 1)
    assert (targets == whole_targets).all()
    assert (ids.reshape(-1)[states] == batch.ids.reshape(-1)[whole_states]).all()
    assert (positions.reshape(-1)[states] == batch.positions.reshape(-1)[whole_states]).all()


@pytest.mark.slow
@pytest.mark.parametrize("keep_positions", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
@given(spans=SPANS, data=st.data())
def test_steps_go_whole(side, keep_positions, spans, data):
    """Removing s steps of an example is removing as many tokens as they have."""
    split = split_of(spans)
    chains = [data.draw(st.lists(st.integers(1, 3), max_size=4)) for _ in spans]
    split = split_of([(x, sum(steps), y) for (x, _, y), steps in zip(spans, chains, strict=True)])
    rows = [row for row, steps in enumerate(chains) for _ in steps[:-1]]
    inner = [sum(steps[: n + 1]) for steps in chains for n in range(len(steps) - 1)]
    ends = StepEnds.at(np.array(rows, np.int64), np.array(inner, np.int64), split.cot_lengths)
    split = replace(split, steps=ends)
    scheduled = np.array([data.draw(st.integers(0, 6)) for _ in spans])
    plan = RemovalPlan(side, keep_positions, unit="step")
    assert plan.greatest_stage(split) == max(map(len, chains))
    gone = [
        sum(steps[:s] if side == "left" else steps[max(0, len(steps) - s) :])
        for steps, s in zip(chains, scheduled.tolist(), strict=True)
    ]
    every = np.arange(len(split))
    found = remove(split, every, scheduled, plan, PAD)
    expected = remove(split, every, np.array(gone), RemovalPlan(side, keep_positions), PAD)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.cot_lengths, expected.cot_lengths)
    assert keep_positions == (found.positions is not None)
    assert not keep_positions or np.array_equal(found.positions, expected.positions)
    for row in every.tolist():
        order = plan.removal_order(int(split.cot_lengths[row]))
        assert plan.hidden(split, row, int(scheduled[row])) == order[: gone[row]]


def test_steps_of_unknown_ends_are_refused() -> None:
    split = split_of([(1, 2, 1)])
    with pytest.raises(UserError, match=r"where the steps .* set data.step_end"):
        remove(split, np.arange(1), 1, RemovalPlan(unit="step"), PAD)


@pytest.mark.parametrize("side", ["left", "right", "random"])
@given(spans=SPANS, data=st.data())
def test_what_goes_next_is_what_two_stages_differ_in(side, spans, data):
    split, rows = split_of(spans), np.arange(len(spans))
    if not split.max_cot_tokens:
        return
    plan = RemovalPlan.seeded(side, False, split.max_cot_tokens, seed=data.draw(st.integers(0, 3)))
    before = data.draw(st.integers(0, 9))
    after = before + data.draw(st.integers(1, 4))
    going = tokens_to_go(split, rows, before, after, plan)
    for row in rows.tolist():
        now, later = (
            batch.ids[row, : batch.lengths[row]].tolist()
            for batch in (remove(split, rows, stage, plan, PAD) for stage in (before, after))
        )
        gone = [token for token in now if token not in later]
        assert [token for token in going.ids[row].tolist() if token >= 0] == gone
        at = now.index(gone[0]) - 1 if gone else len(now) - 1
        assert going.read_at[row] == at
        assert now[at] in later  # it stays when they go


def test_the_tokens_of_a_step_go_together():
    split = split_of([(2, 5, 2), (3, 4, 1)])
    steps = StepEnds.at(np.arange(2), np.array([2, 3]), split.cot_lengths)
    plan = RemovalPlan("left", unit="step")
    going = tokens_to_go(replace(split, steps=steps), np.arange(2), 0, 1, plan)
    assert going.ids.tolist() == [[102, 103, -1], [112, 113, 114]]
    assert going.read_at.tolist() == [1, 2]

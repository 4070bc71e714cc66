"""Probes, controls and patching against models whose hidden content is known."""

from dataclasses import replace

import numpy as np
import pytest

from icot_tui.analysis.patching import Patcher
from icot_tui.analysis.probe_report import conclusion
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.analysis.probe_targets import find_targets
from icot_tui.errors import UserError
from icot_tui.models.residual_stream import ResidualStream, Site

pytestmark = pytest.mark.slow

OUT_0, MID_1, OUT_1 = (
    "blocks.0.hook_resid_post",
    "blocks.1.hook_resid_mid",
    "blocks.1.hook_resid_post",
)
HOLDS = {(OUT_0, "SEP"), (MID_1, "SEP"), (OUT_1, "SEP"), (MID_1, "####"), (OUT_1, "####")}
"""Where z1 stands in the model that carries it."""
ONLY_Z1 = ProbeSettings(targets=("z1",))
USED = {(OUT_0, "SEP"), (MID_1, "####"), (OUT_1, "####")}
"""Where a change of it changes the answer."""
INGREDIENTS = {("blocks.0.hook_resid_mid", "SEP")}
"""a0 and b0 stand side by side here, their product not yet: readable in part, and used."""


@pytest.fixture(scope="module")
def report(carries, examples):
    return run_probes(carries, examples)


def cells(report, grid, name):
    target = [facts.name for facts in report.targets].index(name)
    found = np.argwhere(np.broadcast_to(grid, report.scores.shape)[target])
    return {(report.sites[site], report.columns[column]) for site, column in found.tolist()}


def score(report, name, site, column):
    target = [facts.name for facts in report.targets].index(name)
    return report.scores[target, report.sites.index(site), report.columns.index(column)]


@pytest.mark.slow
def test_columns_are_named(report):
    expected = ["a0", "a1", "*", "b0", "b1", "SEP", "SEP2", "####", "c0", "c1", "c2", "c3"]
    assert list(report.columns) == expected
    assert [facts.name for facts in report.targets] == [
        *("z1", "z2", "z3", "z6", "z7", "z8"),  # z4 is always +, z5 always 0
        *("c0", "c1", "c2", "c3"),
        *("ĉ0", "ĉ1", "ĉ2", "ĉ3"),
    ]


def test_what_stands_there_is_read_and_elsewhere_nothing_is(report):
    read = cells(report, report.readable, "z1")
    assert HOLDS <= read <= HOLDS | INGREDIENTS
    for site, column in HOLDS:
        assert score(report, "z1", site, column) == 1.0
    assert score(report, "z1", OUT_1, "SEP2") < 0.35


def test_encoded_is_only_what_is_read_and_used(report):
    assert USED <= cells(report, report.encoded, "z1") <= USED | INGREDIENTS


def test_a_target_that_the_model_does_not_carry_is_not_encoded(report):
    for name in ("z2", "z3", "z6", "z7", "z8", "c1", "c2", "c3", "ĉ1", "ĉ2", "ĉ3"):
        assert not cells(report, report.encoded, name), name


@pytest.mark.slow
def test_what_nobody_reads_stands_there_but_is_not_encoded(ignores, examples):
    report = run_probes(ignores, examples, settings=ONLY_Z1)
    assert (OUT_0, "SEP") in cells(report, report.readable, "z1")
    assert not report.encoded.any()
    assert "cannot be" not in conclusion(report, 0) and "is encoded" not in conclusion(report, 0)


@pytest.mark.slow
def test_a_control_that_carries_it_too_takes_the_claim_away(carries, examples):
    report = run_probes(carries, examples, carries, ONLY_Z1)
    assert not report.encoded.any()
    assert np.abs(report.margins[0, -1, 7]) < 1e-6
    assert "the No-CoT model" in conclusion(report, 0)


@pytest.mark.slow
def test_the_control_that_ignores_it_takes_it_away_only_where_it_stands(carries, ignores, examples):
    report = run_probes(carries, examples, ignores, ONLY_Z1)
    assert cells(report, report.encoded, "z1") - INGREDIENTS == {(MID_1, "####"), (OUT_1, "####")}


def test_where_the_answer_was_fed_reading_does_not_count(report):
    target = [facts.name for facts in report.targets].index("z1")
    assert report.valid[target, 0].tolist() == [True] * 8 + [False] * 4
    assert report.columns[report.targets[target].last_column] == "####"
    c2 = [facts.name for facts in report.targets].index("ĉ2")
    assert report.columns[report.targets[c2].last_column] == "c1"


@pytest.mark.slow
def test_without_patching_nothing_is_encoded(carries, examples):
    report = run_probes(carries, examples, settings=replace(ONLY_Z1, patch=False))
    assert report.beats_controls.any()
    assert not report.encoded.any()
    assert "nothing was patched" in conclusion(report, 0)


def test_controls_of_chance_are_at_chance(report):
    target = [facts.name for facts in report.targets].index("z1")
    constant = report.controls["constant"][target]
    assert (constant == constant[0, 0]).all()
    assert 0.2 < constant[0, 0] < 0.33  # 0 is the unit digit of 27 products of 100
    assert report.controls["shuffled"][target].max() < constant[0, 0] + 0.06
    sums = [t for t, facts in enumerate(report.targets) if facts.kind == "sum"]
    assert np.abs(report.controls["constant"][sums]).max() < 0.02
    assert report.controls["shuffled"][sums].max() < 0.05


def test_the_words_say_what_was_found(report):
    said = {facts.name: conclusion(report, number) for number, facts in enumerate(report.targets)}
    assert "z1, hidden token 1 of the chain of thought, is encoded at" in said["z1"]
    assert "100% correct" in said["z1"]
    assert "does not prove" in said["z7"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["whole", "part"])
def test_patching_changes_the_answer_where_it_is_used_and_nowhere_else(carries, aligned, mode):
    from icot_tui.analysis.examples import collect

    stream = ResidualStream(carries.lm)
    patcher = Patcher(stream, aligned)
    assert patcher.accuracy[0] == 1.0
    z1 = find_targets(carries, aligned)[0]
    for site, column, used in [
        (Site(0, "resid_post"), "SEP", True),
        (Site(1, "resid_mid"), "####", True),
        (Site(1, "resid_post"), "SEP", False),
        (Site(0, "resid_post"), "b0", False),
        (Site(1, "resid_mid"), "SEP2", False),
    ]:
        at = aligned.names.index(column)
        there = collect(stream, aligned, [site])[0, at]
        patched = patcher.patch(site, at, there, z1, patcher.pairs(z1.effect), mode)
        assert patched.pairs == 256
        assert patched.share == pytest.approx(1.0 if used else 0.0, abs=0.01), (site, column)
        assert patched.control == 0.0
        assert patched.supports == used


def test_a_stage_without_hidden_tokens_and_an_unknown_target_are_refused(carries, examples):
    with pytest.raises(UserError, match="no chain-of-thought token is hidden"):
        run_probes(carries, examples, settings=ProbeSettings(stage=0))
    with pytest.raises(UserError, match="there is no target 'z4': there are z1, z2"):
        run_probes(carries, examples, settings=ProbeSettings(targets=("z4",)))

"""Is a hidden token encoded at a place? Probes with their controls, and patching (section 6).

A cell (place on the stream × column) is called encoded only if

a. reading it there counts: the column comes before the token or the digit is written;
b. the probe, on held-out examples, beats every control: a constant, shuffled labels, an untrained
   model of the same shape, and a No-CoT model if one is given;
c. patching the activation there changes the answer as the target says, far more often than by
   chance.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from icot_tui.analysis.activations import collect, site_groups
from icot_tui.analysis.asking import Respondent
from icot_tui.analysis.controls import at_same_places, untrained
from icot_tui.analysis.hooks import Site, Stream
from icot_tui.analysis.layout import Layout
from icot_tui.analysis.patching import Patcher, best_of
from icot_tui.analysis.readout import FOLDS, Questions, Scores, constant_scores, folds, probe
from icot_tui.analysis.report import (
    CONSTANT,
    NO_COT,
    SHUFFLED,
    UNTRAINED,
    Grid,
    ProbeReport,
    TargetFacts,
)
from icot_tui.analysis.targets import Target, find_targets
from icot_tui.data.encoded import EncodedSplit
from icot_tui.errors import UserError

FEWEST_EXAMPLES = 100
Say = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """[T, S, C] scores and their standard errors at places of a model."""

    scores: Grid
    errors: Grid


def run_probes(
    respondent: Respondent,
    split: EncodedSplit,
    *,
    stage: int | None = None,
    control: Respondent | None = None,
    control_split: EncodedSplit | None = None,
    names: Sequence[str] = (),
    patch: bool = True,
    seed: int = 0,
    say: Say = lambda what: None,
    notes: Sequence[str] = (),
) -> ProbeReport:
    """Probe every place for every target, controls and patching included.

    Args:
        respondent: the checkpoint.
        split: examples in its tokens.
        stage: tokens removed; None: the checkpoint's own.
        control: a No-CoT checkpoint, read at its own stage.
        control_split: the same examples in its tokens.
        names: only these targets; none: all.
        patch: also patch, without which nothing is called encoded.
        seed: of parts, shuffles, the untrained model and the pairs.
        say: told what is being done now and then; what it raises ends the work.
        notes: go into the report.

    Raises:
        UserError: nothing is hidden, too few examples, or a model of an unknown kind.
    """
    began = time.perf_counter()
    stage = respondent.stage if stage is None else stage
    if stage is None:
        raise UserError(f"{respondent.opened.path} has no training state: give --stage")
    if len(split) < FEWEST_EXAMPLES:
        raise UserError(f"{len(split)} examples are too few for probes: {FEWEST_EXAMPLES} at least")
    layout = Layout.of(respondent, split, stage)
    targets = _chosen(find_targets(respondent, layout), names)
    part = folds(layout.tokens[:, : layout.separator], seed)
    if len(np.unique(part)) < FOLDS:
        raise UserError("the examples are too much alike to keep some of them apart")
    questions = _questions(targets)
    stream = Stream(respondent.lm)
    measure = partial(_measure, part=part, sites=stream.sites, say=say)

    say("probing the checkpoint")
    mixed_up = questions.shuffled(np.random.default_rng(seed))
    own, shuffled = measure(stream, layout, [questions, mixed_up])
    say("probing an untrained model")
    [raw] = measure(Stream(untrained(respondent.lm, seed)), layout, [questions])
    constant = _spread(constant_scores(questions, part), own.scores.shape)
    controls = {CONSTANT: constant, SHUFFLED: shuffled, UNTRAINED: raw}
    if control is not None:
        say("probing the control")
        controls[NO_COT] = _no_cot(
            control, control_split or split, layout, stream, measure, questions
        )
    empty = np.full(own.scores.shape, np.nan)
    report = ProbeReport(
        checkpoint=respondent.label,
        stage=stage,
        examples=len(split),
        targets=tuple(map(_facts, targets)),
        sites=tuple(site.name for site in stream.sites),
        columns=layout.names,
        scores=own.scores,
        errors=own.errors,
        controls={name: found.scores for name, found in controls.items()},
        control_errors={name: found.errors for name, found in controls.items()},
        patched=empty,
        patched_control=empty,
        supported=np.zeros(empty.shape, dtype=np.bool_),
        accuracy=np.zeros(0),
        seconds=0.0,
        notes=tuple(notes),
    )
    if patch:
        say("patching")
        report = _patched(report, Patcher(stream, layout, seed), stream, targets, say)
    return replace(report, seconds=time.perf_counter() - began)


def _chosen(targets: list[Target], names: Sequence[str]) -> list[Target]:
    known = {target.name: target for target in targets}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"there is no target '{unknown[0]}': there are {', '.join(known)}")
    if not any(target.kind == "token" for target in targets):
        raise UserError(
            "no chain-of-thought token is hidden at this stage: probe a checkpoint that has "
            "removed some, or give --stage"
        )
    return [known[name] for name in known if not names or name in names]


def _questions(targets: Sequence[Target]) -> Questions:
    return Questions.of(
        [target.values for target in targets if target.kind != "sum"],
        [target.values for target in targets if target.kind == "sum"],
    )


def _facts(target: Target) -> TargetFacts:
    spread = float(target.values.std()) if target.kind == "sum" else 1.0
    return TargetFacts(
        name=target.name,
        kind=target.kind,
        words=target.words,
        classes=len(target.classes),
        last_column=target.last_column,
        spread=spread,
        testable=target.effect is not None,
    )


def _measure(
    stream: Stream,
    layout: Layout,
    asked: Sequence[Questions],
    part: NDArray[np.int64],
    sites: Sequence[Site],
    say: Say,
) -> list[Measured]:
    """Probes at all places, a few sites at once, for each set of questions."""
    found: list[list[Measured]] = [[] for _ in asked]
    for group in site_groups(layout, sites, stream.width):
        activations = collect(stream, layout, group).flatten(0, 1)
        for questions, parts in zip(asked, found, strict=True):
            parts.append(_as_grid(probe(activations, questions, part), len(group)))
            say("")
    return [_joined(parts) for parts in found]


def _joined(parts: Sequence[Measured]) -> Measured:
    return Measured(
        np.concatenate([one.scores for one in parts], axis=1),
        np.concatenate([one.errors for one in parts], axis=1),
    )


def _as_grid(scores: Scores, sites: int) -> Measured:
    def grid(values: torch.Tensor) -> Grid:
        return values.double().numpy().reshape(len(values), sites, -1)

    return Measured(grid(scores.score), grid(scores.error))


def _spread(scores: Scores, shape: tuple[int, ...]) -> Measured:
    """The same at every place."""
    one = _as_grid(scores, 1)
    return Measured(*(np.broadcast_to(grid, shape).copy() for grid in (one.scores, one.errors)))


def _no_cot(
    control: Respondent,
    split: EncodedSplit,
    layout: Layout,
    stream: Stream,
    measure: Callable[..., list[Measured]],
    questions: Questions,
) -> Measured:
    """The control at places of the same names; where it has none, its best for the target."""
    other = Layout.of(
        control, split, split.max_cot_tokens if control.stage is None else control.stage
    )
    if len(other) != len(layout):
        raise UserError("the control must be given the same examples")
    theirs = Stream(control.lm)
    [found] = measure(theirs, other, [questions], sites=theirs.sites)
    places = at_same_places(stream.sites, layout.names, theirs.sites, other.names)
    return Measured(places(found.scores, found.scores), places(found.errors, found.scores))


def _patched(
    report: ProbeReport, patcher: Patcher, stream: Stream, targets: Sequence[Target], say: Say
) -> ProbeReport:
    """Patch every place where reading counts and the probe beats its controls."""
    wanted = report.counts & report.read  # [T, S, C]
    wanted &= np.array([target.effect is not None for target in targets])[:, None, None]
    share, chance = report.patched.copy(), report.patched_control.copy()
    supported = report.supported.copy()
    pairs = {
        number: patcher.pairs(target.effect)
        for number, target in enumerate(targets)
        if target.effect is not None and wanted[number].any()
    }
    for place, site in enumerate(stream.sites):
        if not wanted[:, place].any():
            continue
        activations = collect(stream, patcher.layout, [site])[0]  # [C, N, H]
        for number, column in np.argwhere(wanted[:, place]).tolist():
            say("")
            found = best_of(
                [
                    patcher.patch(
                        site, column, activations[column], targets[number], mode, pairs[number]
                    )
                    for mode in ("whole", "part")
                ]
            )
            cell = number, place, column
            share[cell], chance[cell], supported[cell] = found.share, found.control, found.supports
    return replace(
        report,
        patched=share,
        patched_control=chance,
        supported=supported,
        accuracy=patcher.accuracy,
    )

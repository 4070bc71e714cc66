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
from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.controls import at_same_places, untrained
from icot_tui.analysis.linear_probe import (
    FOLDS,
    ProbeScores,
    ProbeTargets,
    constant_scores,
    folds,
    probe,
)
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.patching import Patcher, best_of
from icot_tui.analysis.probe_report import (
    CONSTANT,
    NO_COT,
    SHUFFLED,
    UNTRAINED,
    Grid,
    ProbeReport,
    TargetFacts,
)
from icot_tui.analysis.probe_targets import Target, find_targets
from icot_tui.analysis.residual_stream import ResidualStream, Site
from icot_tui.data.encoded import EncodedSplit
from icot_tui.errors import UserError

FEWEST_EXAMPLES = 100
Say = Callable[[str], None]


@dataclass(frozen=True)
class ScoreGrids:
    """[T, S, C] scores and their standard errors at places of a model."""

    scores: Grid
    errors: Grid


def run_probes(
    model: LoadedModel,
    split: EncodedSplit,
    *,
    stage: int | None = None,
    control: LoadedModel | None = None,
    control_split: EncodedSplit | None = None,
    names: Sequence[str] = (),
    patch: bool = True,
    seed: int = 0,
    say: Say = lambda what: None,
    notes: Sequence[str] = (),
) -> ProbeReport:
    """Probe every place for every target, controls and patching included.

    Args:
        model: the checkpoint.
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
    stage = model.stage if stage is None else stage
    if stage is None:
        raise UserError(f"{model.opened.path} has no training state: give --stage")
    if len(split) < FEWEST_EXAMPLES:
        raise UserError(f"{len(split)} examples are too few for probes: {FEWEST_EXAMPLES} at least")
    aligned = AlignedExamples.of(model, split, stage)
    targets = _chosen(find_targets(model, aligned), names)
    part = folds(aligned.tokens[:, : aligned.separator], seed)
    if len(np.unique(part)) < FOLDS:
        raise UserError("the examples are too much alike to keep some of them apart")
    questions = _questions(targets)
    stream = ResidualStream(model.lm)
    measure = partial(_measure, part=part, sites=stream.sites, say=say)

    say("probing the checkpoint")
    mixed_up = questions.shuffled(np.random.default_rng(seed))
    own, shuffled = measure(stream, aligned, [questions, mixed_up])
    say("probing an untrained model")
    [raw] = measure(ResidualStream(untrained(model.lm, seed)), aligned, [questions])
    constant = _spread(constant_scores(questions, part), own.scores.shape)
    controls = {CONSTANT: constant, SHUFFLED: shuffled, UNTRAINED: raw}
    if control is not None:
        say("probing the control")
        controls[NO_COT] = _no_cot(
            control, control_split or split, aligned, stream, measure, questions
        )
    empty = np.full(own.scores.shape, np.nan)
    report = ProbeReport(
        checkpoint=model.label,
        stage=stage,
        examples=len(split),
        targets=tuple(map(_facts, targets)),
        sites=tuple(site.name for site in stream.sites),
        columns=aligned.names,
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
        report = _patched(report, Patcher(stream, aligned, seed), stream, targets, say)
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


def _questions(targets: Sequence[Target]) -> ProbeTargets:
    return ProbeTargets.of(
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
    stream: ResidualStream,
    aligned: AlignedExamples,
    asked: Sequence[ProbeTargets],
    part: NDArray[np.int64],
    sites: Sequence[Site],
    say: Say,
) -> list[ScoreGrids]:
    """Probes at all places, a few sites at once, for each set of questions."""
    found: list[list[ScoreGrids]] = [[] for _ in asked]
    for group in site_groups(aligned, sites, stream.width):
        activations = collect(stream, aligned, group).flatten(0, 1)
        for questions, parts in zip(asked, found, strict=True):
            parts.append(_as_grid(probe(activations, questions, part), len(group)))
            say("")
    return [_joined(parts) for parts in found]


def _joined(parts: Sequence[ScoreGrids]) -> ScoreGrids:
    return ScoreGrids(
        np.concatenate([one.scores for one in parts], axis=1),
        np.concatenate([one.errors for one in parts], axis=1),
    )


def _as_grid(scores: ProbeScores, sites: int) -> ScoreGrids:
    def grid(values: torch.Tensor) -> Grid:
        return values.double().numpy().reshape(len(values), sites, -1)

    return ScoreGrids(grid(scores.score), grid(scores.error))


def _spread(scores: ProbeScores, shape: tuple[int, ...]) -> ScoreGrids:
    """The same at every place."""
    one = _as_grid(scores, 1)
    return ScoreGrids(*(np.broadcast_to(grid, shape).copy() for grid in (one.scores, one.errors)))


def _no_cot(
    control: LoadedModel,
    split: EncodedSplit,
    aligned: AlignedExamples,
    stream: ResidualStream,
    measure: Callable[..., list[ScoreGrids]],
    questions: ProbeTargets,
) -> ScoreGrids:
    """The control at places of the same names; where it has none, its best for the target."""
    other = AlignedExamples.of(
        control, split, split.max_cot_tokens if control.stage is None else control.stage
    )
    if len(other) != len(aligned):
        raise UserError("the control must be given the same examples")
    theirs = ResidualStream(control.lm)
    [found] = measure(theirs, other, [questions], sites=theirs.sites)
    places = at_same_places(stream.sites, aligned.names, theirs.sites, other.names)
    return ScoreGrids(places(found.scores, found.scores), places(found.errors, found.scores))


def _patched(
    report: ProbeReport,
    patcher: Patcher,
    stream: ResidualStream,
    targets: Sequence[Target],
    say: Say,
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
        activations = collect(stream, patcher.aligned, [site])[0]  # [C, N, H]
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

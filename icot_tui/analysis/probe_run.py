"""Is a hidden token encoded at a place? Probes with controls, and patching (see docs/probing.md).

A cell (site × column) is called encoded only if

a. the column comes before the token or digit is written, so that reading it there means something;
b. the probe, on held-out examples, beats every control: a constant, shuffled labels, an untrained
   model of the same shape, and a No-CoT model if one is given;
c. patching the activation there changes the answer as the target predicts, far more often than by
   chance.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.analysis.examples import AlignedExamples, Ints, ProbeExamples, collect, site_groups
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.patching import MODES, Patcher, strongest
from icot_tui.analysis.probe_report import (
    CONSTANT,
    NO_COT,
    SHUFFLED,
    UNTRAINED,
    ProbeReport,
    TargetFacts,
)
from icot_tui.analysis.probe_targets import Target, find_targets
from icot_tui.engine.evaluation.linear_probe import (
    FOLDS,
    ProbeScores,
    ProbeTargets,
    constant_scores,
    folds,
    probe,
)
from icot_tui.errors import UserError
from icot_tui.models.latent_lm import untrained_latent_lm
from icot_tui.models.latent_stream import stream_of
from icot_tui.models.residual_stream import ResidualStream, Site
from icot_tui.models.wrapped import WrappedLM, unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FEWEST_EXAMPLES = 100
Places = dict[tuple[Site, str], int]
"""Number of each place, a site and a column's name, in the order of a grid's cells."""
OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class ProbeSettings:
    """What is probed, and how.

    examples  how many at most
    data      file of examples; None: the run's held-out ones
    targets   only these, such as z3, c1, ĉ2 (or s2); empty: all
    stage     tokens removed; None: the checkpoint's own stage
    patch     also patch, without which nothing counts as encoded
    seed      of folds, shuffles, the untrained model and the pairs
    """

    examples: int = 2000
    data: Path | None = None
    targets: tuple[str, ...] = ()
    stage: int | None = None
    patch: bool = True
    seed: int = 0

    @property
    def target_names(self) -> list[str]:
        """The targets; ĉ2 is hard to type, so s2 is the same."""
        return [f"ĉ{name[1:]}" if name.startswith("s") else name for name in self.targets]


def run_probes(
    model: LoadedModel,
    examples: ProbeExamples,
    control: LoadedModel | None = None,
    settings: ProbeSettings = ProbeSettings(),
    on_progress: OnProgress = lambda what: None,
) -> ProbeReport:
    """Probe every place for every target, with controls and patching.

    Args:
        examples: what the model is probed on.
        control: a No-CoT checkpoint, read at its own stage.
        on_progress: called often with what is being done; what it raises ends the work.

    Raises:
        UserError: nothing is hidden, too few examples, or the model's blocks can't be found.
    """
    began = time.perf_counter()
    split, seed = examples.split(model), settings.seed
    stage = model.stage if settings.stage is None else settings.stage
    if stage is None:
        raise UserError(f"{model.opened.path} has no training state: give --stage")
    if len(split) < FEWEST_EXAMPLES:
        raise UserError(f"{len(split)} examples are too few for probes: {FEWEST_EXAMPLES} at least")
    aligned = AlignedExamples(model, split, stage)
    targets = _chosen(find_targets(model, aligned), settings.target_names)
    part = folds(aligned.tokens[:, : aligned.separator], seed)
    if len(np.unique(part)) < FOLDS:
        raise UserError("the examples are too much alike to hold some of them out")
    stream = stream_of(model.lm, aligned.counts)
    labels = ProbeTargets.of(
        [target.values for target in targets if target.kind != "sum"],
        [target.values for target in targets if target.kind == "sum"],
    )
    measure = partial(_measure, part=part, on_progress=on_progress)

    shuffled = labels.shuffled(np.random.default_rng(seed))
    own, of_shuffled = measure("probing the checkpoint", stream, aligned, [labels, shuffled])
    bare = stream_of(untrained(model.lm, seed), aligned.counts)
    [of_untrained] = measure("probing an untrained model", bare, aligned, [labels])
    constant = constant_scores(labels, part)
    controls = {
        CONSTANT: constant.map(lambda grid: np.broadcast_to(grid, own.score.shape)),
        SHUFFLED: of_shuffled,
        UNTRAINED: of_untrained,
    }
    if control is not None:
        there = partial(measure, "probing the control", labels=[labels])
        controls[NO_COT] = _no_cot(control, examples, there, _places(stream, aligned))
    shape = len(targets), len(stream.sites), len(aligned.names)
    report = ProbeReport(
        checkpoint=model.label,
        stage=stage,
        examples=len(split),
        targets=tuple(map(_facts, targets)),
        sites=tuple(site.name for site in stream.sites),
        columns=aligned.names,
        scores=own.score.reshape(shape),
        errors=own.error.reshape(shape),
        controls={name: one.score.reshape(shape) for name, one in controls.items()},
        control_errors={name: one.error.reshape(shape) for name, one in controls.items()},
        patched=np.full(shape, np.nan),
        patched_control=np.full(shape, np.nan),
        supported=np.zeros(shape, dtype=np.bool_),
        accuracy=np.zeros(0),
        seconds=0.0,
        notes=tuple(examples.notes),
    )
    if settings.patch:
        report = _patch(report, Patcher(stream, aligned, seed), stream, targets, on_progress)
    return replace(report, seconds=time.perf_counter() - began)


def _chosen(targets: list[Target], names: Sequence[str]) -> list[Target]:
    if not any(target.kind == "token" for target in targets):
        raise UserError(
            "no chain-of-thought token is hidden at this stage that differs between the examples: "
            "probe a checkpoint that has removed some, or give --stage"
        )
    known = {target.name: target for target in targets}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"there is no target '{unknown[0]}': there are {', '.join(known)}")
    return [known[name] for name in known if not names or name in names]


def _facts(target: Target) -> TargetFacts:
    return TargetFacts(
        name=target.name,
        kind=target.kind,
        words=target.words,
        classes=0 if target.kind == "sum" else int(target.values.max()) + 1,
        last_column=target.last_column,
        spread=float(target.values.std()) if target.kind == "sum" else 1.0,
        testable=target.effect is not None,
    )


def _places(stream: ResidualStream, aligned: AlignedExamples) -> Places:
    places = [(site, name) for site in stream.sites for name in aligned.names]
    return {place: number for number, place in enumerate(places)}


def _no_cot(
    control: LoadedModel,
    examples: ProbeExamples,
    measure: Callable[[ResidualStream, AlignedExamples], list[ProbeScores]],
    ours: Places,
) -> ProbeScores:
    """The control at its own stage, at places of the same names."""
    split = examples.split(control)
    stage = control.stage
    if stage is None:
        stage = control.token_format.plan.greatest_stage(split)
    aligned = AlignedExamples(control, split, stage)
    stream = stream_of(control.lm, aligned.counts)
    [scores] = measure(stream, aligned)
    return at_places(scores, _places(stream, aligned), ours)


def _measure(
    what: str,
    stream: ResidualStream,
    aligned: AlignedExamples,
    labels: Sequence[ProbeTargets],
    part: Ints,
    on_progress: OnProgress,
) -> list[ProbeScores]:
    """[T, S * C] scores of probes at all places, a few sites at once, for each set of labels."""
    if len(aligned) != len(part):
        raise UserError("the control must be given the same examples")
    found: list[list[ProbeScores]] = [[] for _ in labels]
    for group in site_groups(stream, aligned):
        on_progress(what)
        activations = collect(stream, aligned, group).flatten(0, 1)
        for each, scores in zip(labels, found, strict=True):
            scores.append(probe(activations, each, part))
            on_progress(what)
    return [ProbeScores.join(scores) for scores in found]


def _patch(
    report: ProbeReport,
    patcher: Patcher,
    stream: ResidualStream,
    targets: Sequence[Target],
    on_progress: OnProgress,
) -> ProbeReport:
    """Patch every valid place whose probe beats its controls."""
    wanted = report.valid & report.beats_controls  # [T, S, C]
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
            on_progress("patching")
            there, target, used = activations[column], targets[number], pairs[number]
            found = strongest([patcher.patch(site, column, there, target, used, m) for m in MODES])
            cell = number, place, column
            share[cell], chance[cell], supported[cell] = found.share, found.control, found.supports
    report = replace(report, patched=share, patched_control=chance, supported=supported)
    return replace(report, accuracy=patcher.accuracy)


def untrained(lm: "PreTrainedModel", seed: int) -> "PreTrainedModel":
    """A model of the same shape with random weights, on the same device.

    It draws from the process's random generator, whose state is restored afterwards.
    """
    from transformers import AutoModelForCausalLM

    bare = unadapted(lm)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(bare, WrappedLM):
            plain = AutoModelForCausalLM.from_config(bare.lm.config)
            model: PreTrainedModel = untrained_latent_lm(bare, plain)
        else:
            model = AutoModelForCausalLM.from_config(bare.config)
    return model.to(next(bare.parameters()).device).eval()


def at_places(scores: ProbeScores, theirs: Places, ours: Places) -> ProbeScores:
    """A control's scores [T, S' * C'] at our places: [T, S * C].

    Where the control has no place of that name, its best for the target counts.
    """
    best = scores.score.argmax(1).tolist()
    index = np.array([[theirs.get(place, top) for place in ours] for top in best])
    return scores.map(lambda grid: np.take_along_axis(grid, index, axis=1))

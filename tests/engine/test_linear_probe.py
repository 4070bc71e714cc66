"""Closed-form probes against their definition, and against data whose content is known."""

import numpy as np
import torch

from icot_tui.engine.evaluation.linear_probe import (
    FOLDS,
    RIDGES,
    ProbeTargets,
    constant_scores,
    folds,
    probe,
    probe_with_best,
)


def plainly(x, classes, part, ridge):
    """Accuracy of linear discriminant analysis, one fold and place at a time."""
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    hits = 0
    for fold in range(FOLDS):
        chosen, test = part == (fold + 1) % FOLDS, part == fold
        fit = ~chosen & ~test
        known = np.unique(classes[fit])
        mean = x[fit].mean(0)
        within = sum(
            (x[fit & (classes == c)] - x[fit & (classes == c)].mean(0)).T
            @ (x[fit & (classes == c)] - x[fit & (classes == c)].mean(0))
            for c in known
        ) / fit.sum()  # fmt: skip
        total = np.cov(x[fit].T, bias=True)
        within += ridge * np.trace(total) / len(total) * np.eye(len(total))
        inverse = np.linalg.inv(within)
        scores = []
        for c in known:
            m = x[fit & (classes == c)].mean(0) - mean
            share = (fit & (classes == c)).sum() / fit.sum()
            scores.append((x - mean) @ inverse @ m - m @ inverse @ m / 2 + np.log(share))
        said = known[np.argmax(scores, axis=0)]
        hits += (said == classes)[test].sum()
    return hits / len(x)


def data(n=600, width=12, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 5, n)
    x = rng.normal(size=(n, width)).astype(np.float32)
    x[:, :3] += rng.normal(size=(5, 3))[classes] * 1.5
    return x, classes, rng.integers(0, FOLDS, n)


def test_equals_linear_discriminant_analysis_by_its_definition(monkeypatch):
    x, classes, part = data()
    questions = ProbeTargets.of([classes], [])
    for ridge in RIDGES:
        monkeypatch.setattr("icot_tui.engine.evaluation.linear_probe.RIDGES", (ridge,))
        found = probe(torch.from_numpy(x)[None], questions, part).score.item()
        assert abs(found - plainly(x, classes, part, ridge)) < 1.5 / len(x)


def test_classes_in_a_row_are_all_read():
    """One number in one direction: the middle classes too, which least squares would never say."""
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 10, 2000)
    x = rng.normal(size=(2000, 20)).astype(np.float32) * 0.05
    x[:, 0] += classes
    part = rng.integers(0, FOLDS, 2000)
    found = probe(torch.from_numpy(x)[None], ProbeTargets.of([classes], []), part)
    assert found.score.item() > 0.95


def test_numbers_are_read_as_far_as_they_are_linear():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 1000, 16)).astype(np.float32)
    linear = (100 + 10 * x[0, :, 3] + 5 * x[0, :, 7] + rng.normal(size=1000)).round().astype(int)
    bent = (20 * x[1, :, 2] ** 2).round().astype(int)
    questions, part = ProbeTargets.of([], [linear, bent]), rng.integers(0, FOLDS, 1000)
    score = probe(torch.from_numpy(x), questions, part).score
    assert score[0, 0] > 0.98
    assert score[0, 1:].max() < 0.02 and score[1].max() < 0.02


def test_noise_is_read_no_better_than_a_constant_says_it():
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(20, 1000, 64)).astype(np.float32))
    classes, part = rng.choice(4, 1000, p=[0.7, 0.1, 0.1, 0.1]), rng.integers(0, FOLDS, 1000)
    questions = ProbeTargets.of([classes], [rng.integers(0, 100, 1000)])
    scores, constant = probe(x, questions, part), constant_scores(questions, part)
    assert abs(constant.score[0, 0] - (classes == 0).mean()) < 1e-6
    assert scores.score[0].max() < constant.score[0, 0] + 0.02
    assert scores.score[1].max() < 0.02


def test_rounding_errors_tell_nothing():
    """A place that is the same in all examples but for rounding."""
    rng = np.random.default_rng(4)
    classes, part = rng.integers(0, 2, 500), rng.integers(0, FOLDS, 500)
    x = torch.ones(1, 500, 8) + 1e-7 * torch.from_numpy(classes).float()[None, :, None]
    assert probe(x, ProbeTargets.of([classes], []), part).score.item() < 0.65


def test_a_class_that_the_fitting_examples_lack_breaks_nothing():
    x, classes, part = data()
    classes[part == 0] = 5
    score = probe(torch.from_numpy(x)[None], ProbeTargets.of([classes], []), part).score
    assert np.isfinite(score).all()


def test_permutations_share_a_part_and_parts_are_nearly_equal():
    prompts = np.array([[a, b] for a in range(40) for b in range(40)])
    part = folds(prompts)
    by_prompt = {tuple(prompt): fold for prompt, fold in zip(prompts.tolist(), part, strict=True)}
    assert all(by_prompt[a, b] == by_prompt[b, a] for a, b in by_prompt)
    assert np.bincount(part, minlength=FOLDS).min() > 0.95 * len(part) / FOLDS


def test_the_best_place_is_chosen_without_those_that_score():
    """Of forty places of noise the luckiest would beat a guess; the one that holds it is found."""
    rng = np.random.default_rng(5)
    classes, part = rng.integers(0, 2, 500), rng.integers(0, FOLDS, 500)
    x = torch.from_numpy(rng.normal(size=(40, 500, 4)).astype(np.float32))
    questions = ProbeTargets.of([classes], [])
    everywhere, best = probe_with_best(x, questions, part, 40)
    assert np.allclose(everywhere.score, probe(x, questions, part).score)
    assert everywhere.score.max() > 0.55
    assert abs(best.score.item() - 0.5) < 0.05
    x[17, :, 2] += 8 * torch.from_numpy(classes)
    assert probe_with_best(x, questions, part, 40)[1].score.item() > 0.99
    assert abs(probe_with_best(x, questions, part, 17)[1].score.item() - 0.5) < 0.05


def test_more_numbers_than_examples_are_no_other_probe(monkeypatch):
    rng = np.random.default_rng(6)
    classes, part = rng.integers(0, 4, 120), rng.integers(0, FOLDS, 120)
    x = rng.normal(size=(120, 200)).astype(np.float32)
    x[:, :10] += 3 * rng.normal(size=(4, 10))[classes]
    questions = ProbeTargets.of([classes], [])
    for ridge in RIDGES:
        monkeypatch.setattr("icot_tui.engine.evaluation.linear_probe.RIDGES", (ridge,))
        found = probe(torch.from_numpy(x)[None], questions, part).score.item()
        assert abs(found - plainly(x, classes, part, ridge)) < 1.5 / len(x)

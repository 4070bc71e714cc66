#!/usr/bin/env bash
# Guess:   default_rng((seed, worker)) gives each worker a stream of its own, apart from that of default_rng(seed): other
#          numbers, or more of them, are another seed.
# Happens: zeros at the end count for nothing, and a number beyond 32 bits counts as its words. So worker 0 draws what
#          the bare seed draws (a correlation of 1, no noise of its own), (seed, step, 0) is (seed, step), and (5, 1) is
#          2**32 + 5. SeedSequence.spawn has no such twins.
# For us:  smoothing's offsets are drawn from (seed, step); what else is drawn for a step has a third number, which begins
#          with 1 (curriculum/smoothing.py, methods/coconut/stages.py): with 0 it would be the offsets again.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np

print("numpy", np.__version__)


def correlation(one, other):
    """Of what two seeds draw, by default_rng or of a SeedSequence."""
    drawn = [np.random.default_rng(seed).standard_normal(10_000) for seed in (one, other)]
    return round(float(np.corrcoef(drawn)[0, 1]), 2)


twins = [(7, (7, 0)), ((7, 3), (7, 3, 0)), (7, (7, 0, 0)), ((5, 1), 2**32 + 5)]
others = [(7, (7, 1)), ((7, 3), (7, 3, 1)), ((7, 0), (0, 7))]
for one, other in twins:
    print(one, "and", other, "have the correlation", correlation(one, other))
    assert correlation(one, other) == 1, "changed"
for one, other in others:
    print(one, "and", other, "have", correlation(one, other))
    assert abs(correlation(one, other)) < 0.1
(child,) = np.random.SeedSequence(7).spawn(1)
print("7 and its first child have", correlation(7, child))
assert abs(correlation(7, child)) < 0.1
PY

#!/usr/bin/env bash
# Guess:   `doc_to_target: "{{answer}}"` and `doc_to_target: answer` mean the same, the text in the column `answer`, as
#          `doc_to_text` has it; and a model that writes just that text has an exact match of 1.
# Happens: what a template gives is evaluated as Python if it begins with [ and ends with ]. The target [1,2,3] then is
#          written with blanks, so that a right answer without them counts as wrong; and ['a', 'b'] in the first
#          row makes the task one of several targets: a model that writes only b is right, and one that writes
#          all of it is wrong. The name of a column is left as it is.
# For us:  exporting/harness.py names the column; its proof had refused exports with right answers of that kind.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lm_eval==0.4.13 transformers==5.23.0 datasets==5.2.0
cd "$work"
HF_HOME="$work/cache" HF_HUB_OFFLINE=1 venv/bin/python - 2> errors <<'PY' || { tail -5 errors; exit 1; }
from importlib.metadata import version

from datasets import Dataset
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask


class Says(LM):
    """A model with a fixed reply to each question."""

    def __init__(self, replies):
        super().__init__()
        self.replies = replies

    def generate_until(self, requests, **_):
        return [self.replies[request.args[0]] for request in requests]

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def scores(target, answers, replies):
    rows = [{"question": f"q{at}", "answer": answer} for at, answer in enumerate(answers)]
    config = {
        "task": "brackets",
        "test_split": "test",
        "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": target,
        "generation_kwargs": {"until": ["\n"], "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    }
    model = Says({f"q{at}": reply for at, reply in enumerate(replies)})
    found = simple_evaluate(
        model=model, tasks=[ConfigurableTask(config=config)], bootstrap_iters=0, log_samples=True
    )
    samples = sorted(found["samples"]["brackets"], key=lambda sample: sample["doc_id"])
    return [float(sample["exact_match"]) for sample in samples]


digits, letters = ["x", "[1,2,3]", "[1, 2, 3]"], ["['a', 'b']", "['c', 'd']"]
found = {}
for target in ("{{answer}}", "answer"):
    found[target] = [
        scores(target, digits, digits),
        scores(target, letters, letters),
        scores(target, letters, ["b", "c"]),
    ]
    print("lm_eval", version("lm_eval"), "doc_to_target:", target, found[target])
assert found["answer"] == [[1, 1, 1], [1, 1], [0, 0]]
assert found["{{answer}}"] == [[1, 0, 1], [0, 0], [1, 1]], "changed"
PY

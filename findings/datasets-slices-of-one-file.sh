#!/usr/bin/env bash
# Guess:   Dataset.cache_files lists what a dataset is made of (one that was shuffled has its indices there as well), so
#          that equal files mean equal rows: a key for whatever is computed from them.
# Happens: all slices of a split, train[:90%] and train[90%:], list the same file and nothing that tells them apart; so
#          do parts from skip and take, while select of other rows adds a file. A dataset held in memory lists none: with
#          HF_DATASETS_IN_MEMORY_MAX_SIZE set, all small ones are alike.
# For us:  the cache of tokenized data had files alone as its key: whoever changed the slice behind `hub:NAME@` trained on
#          the rows of the one before. data/reading.py adds the slice, and data/library.py asks for files.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1
cat > look.py <<'PY'
import sys
from pathlib import Path

import datasets

datasets.disable_progress_bars()
Path("set").mkdir(exist_ok=True)
Path("set/train.csv").write_text("number\n" + "".join(f"{n}\n" for n in range(100)))


def load(split):
    return datasets.load_dataset("set", split=split)


def files(dataset):
    return [Path(file["filename"]).name for file in dataset.cache_files]


if sys.argv[1:] == ["memory"]:
    print("in memory:", files(load("train")))
    assert files(load("train")) == [], "changed"
else:
    print("datasets", datasets.__version__)
    whole = load("train")
    found = {
        "train": whole,
        "train[:90%]": load("train[:90%]"),
        "train[90%:]": load("train[90%:]"),
        "skip(5).take(10)": whole.skip(5).take(10),
    }
    for name, dataset in found.items():
        print(f"{name}: rows {dataset['number'][0]} to {dataset['number'][-1]}, {dataset.cache_files}")
        assert dataset.cache_files == whole.cache_files and len(files(dataset)) == 1, "changed"
    assert len({tuple(dataset["number"]) for dataset in found.values()}) == 4
    shuffled = whole.shuffle(seed=1)
    print("shuffled:", files(shuffled))
    assert len(files(shuffled)) == 2
PY
venv/bin/python look.py
HF_DATASETS_IN_MEMORY_MAX_SIZE=1000000 venv/bin/python look.py memory

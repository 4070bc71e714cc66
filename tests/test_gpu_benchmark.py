"""`benchmarks/gpu.py`: all its code runs on a CPU, and it says so where there is no GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_without_a_gpu_it_says_so() -> None:
    told = run()
    assert told.returncode == 2
    assert told.stdout == "" and told.stderr.startswith("There is no CUDA GPU here")
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_its_table_has_ratios_and_equal_losses(tmp_path: Path) -> None:
    output = tmp_path / "gpu.md"
    told = run("--device", "cpu", "--tiny", "--output", str(output))
    assert told.returncode == 0, told.stderr
    text = output.read_text()
    assert text == told.stdout
    head, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    names = [name.strip() for name in head.strip("|").split("|")]
    table = [
        dict(zip(names, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
        for row in rows
    ]
    mixed = ("plain loop", "eager", "CUDA graphs", "plain loop, again")
    wanted = [("float32", way) for way in ("plain loop", "eager")]
    wanted += [("bfloat16-mixed", way) for way in mixed]
    answered = [("float32", way) for way in ("evaluate", "generate", "own decoding")]
    found = [(row["digits"], row["precision"], row["what"]) for row in table]
    assert found == [("2x2", *one) for one in wanted + answered]
    for row in table:
        assert re.fullmatch(r"\d+\.\d\dx", row["ratio"])
        assert float(row["ratio"][:-1]) > 0 and float(row["time"].split()[0]) > 0
        if (row["precision"], row["what"]) in answered:
            assert row["agreement"].endswith("the same by all")
            continue
        difference = float(row["agreement"].removeprefix("losses within "))
        assert difference < (1e-4 if row["precision"] == "float32" else 2e-2)
        assert float(row["MFU"].rstrip("%")) > 0 and row["memory"].endswith(" GB")
    assert all(
        row["ratio"] == "1.00x" for row in table if row["what"] in ("plain loop", "generate")
    )
    assert "2x2, bfloat16-mixed: " in text and "is the fastest of ours" in text

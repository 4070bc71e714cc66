"""A task folder for EleutherAI's lm-evaluation-harness, on the held-out split."""

import io
import json
import shutil
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from icot_tui.errors import UserError
from icot_tui.exporting.hf import write_model
from icot_tui.exporting.portable import Portable, make_portable
from icot_tui.exporting.source import ExportSource, check_answers
from icot_tui.files import put_in_place

EXAMPLES = "examples.jsonl"
ANSWER = r"(?s)^.*?####(.*)$"
"""Before the mark stands the chain of thought; special tokens are not in the text."""
LOADER = f'''\
"""Held-out examples of the task beside this file."""

from pathlib import Path

import datasets


def load(**options):
    file = Path(__file__).with_name("{EXAMPLES}")
    return datasets.load_dataset("json", data_files={{"test": str(file)}})
'''


def export_task(source: ExportSource, out: Path) -> None:
    """Write the task, once the harness has measured the same exact match with it.

    The model is exported to a temporary folder, and loaded there by the harness.

    Raises:
        UserError: lm-eval is not installed, answers differ, or it can't be written.
    """
    try:
        import lm_eval  # noqa: F401
    except ImportError as error:
        raise UserError(
            "the harness is not installed: pip install 'icot-tui[lm-eval]'", 1
        ) from error
    with put_in_place(out) as folder, TemporaryDirectory() as model:
        portable = make_portable(source)
        write_model(portable, Path(model))
        name = task_name(source)
        write_task(source, portable, name, folder)
        answers, exact_match = run_harness(Path(model), folder, name, len(source.texts))
        check_answers(source, answers, "lm-eval")
        if exact_match != source.correct / len(source.texts):
            raise UserError(
                f"nothing was exported: lm-eval reports an exact match of {exact_match} where "
                f"icot-tui has {source.correct} of {len(source.texts)}",
                1,
            )


def task_name(source: ExportSource) -> str:
    """Of the run's data, for the harness."""
    config = source.opened.config
    return "icot_tui_" + ("examples" if config is None else config.name).replace("-", "_")


def write_task(source: ExportSource, portable: Portable, name: str, folder: Path) -> None:
    """The task's YAML, which is JSON but for its tag, the code that loads it, and its examples."""
    rows = [{"question": text.input, "answer": text.answer} for text in source.texts]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / EXAMPLES).write_text(lines, encoding="utf-8")
    (folder / "loader.py").write_text(LOADER, encoding="utf-8")
    settings: dict[str, Any] = {
        "task": name,
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": portable.prompt.replace("{question}", "{{question}}"),
        "doc_to_target": "answer",  # a column: findings/lm-eval-answer-in-brackets.sh
        "num_fewshot": 0,
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "max_gen_toks": portable.max_new_tokens,
        },
        "filter_list": [
            {
                "name": "answer",
                "filter": [
                    {"function": "regex", "regex_pattern": ANSWER, "fallback": ""},
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "regexes_to_ignore": [",", "\\$"] if source.compare == "number" else [],
            }
        ],
        "metadata": {"version": 1.0},
    }
    text = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
    text.insert(1, "custom_dataset: !function loader.load")
    (folder / "task.yaml").write_text("\n".join(text) + "\n", encoding="utf-8")


def run_harness(
    model: Path, tasks: Path, name: str, questions: int
) -> tuple[list[str | None], float]:
    """Let the harness answer all questions with its `hf` model: the answers, and exact match."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    with redirect_stderr(io.StringIO()):  # its progress
        found: Any = simple_evaluate(
            model="hf",
            model_args={"pretrained": str(model), "device": "cpu", "dtype": "float32"},
            tasks=[name],
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            batch_size=32,
            bootstrap_iters=0,
            log_samples=True,
        )
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    assert len(samples) == questions, "the harness asks every question"
    shutil.rmtree(tasks / "__pycache__", ignore_errors=True)
    answers = [sample["filtered_resps"][0] or None for sample in samples]
    return answers, float(found["results"][name]["exact_match,answer"])

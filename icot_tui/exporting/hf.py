"""A folder that plain transformers loads, asks and answers with."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from icot_tui.exporting.card import write_card
from icot_tui.exporting.older import add_older_places
from icot_tui.exporting.portable import Portable, make_portable
from icot_tui.exporting.source import ExportSource, check_answers
from icot_tui.files import put_in_place

BEHIND = -0.01
"""Added to the logit of the copy of end-of-text: more than rounding, and no more than needed."""
SNIPPET = """\
import re

import torch
from transformers import AutoModelForCausalLM, {loader}

folder = {folder}
prompt = {prompt}
separators = {separators}
tokenizer = {loader}.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)


@torch.inference_mode()
def answer(question):
    inputs = tokenizer(prompt.replace("{{question}}", question), return_tensors="pt")
    text = tokenizer.decode(model.generate(**inputs)[0], clean_up_tokenization_spaces=False)
    parts = re.split(separators, text)  # question, chain of thought, answer, rest
    return parts[2].partition("####")[2].strip() if len(parts) > 3 else None


print(answer({question}))
"""


def export_hf(source: ExportSource, out: Path) -> None:
    """Write a folder for transformers, with a model card, once it has proven itself.

    Raises:
        UserError: it can't be done, answers otherwise, or can't be written.
    """
    with put_in_place(out) as folder:
        portable = make_portable(source)
        write_model(portable, folder)
        code = snippet(portable, source.texts[0].input, folder)
        answer, printed = run_snippet(code, folder)
        check_answers(source, [answer(text.input) for text in source.texts], "transformers")
        write_card(source, portable, code, printed, folder)


def write_model(portable: Portable, folder: Path) -> None:
    """Weights, tokenizer and generation config, for transformers of both kinds, 5 and 4."""
    from transformers import GenerationConfig

    end = int(portable.tokenizer.eos_token_id)
    options: dict[str, Any] = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": end}
    if portable.min_new_tokens:
        options["min_new_tokens"] = portable.min_new_tokens
        options["sequence_bias"] = [[[portable.copied], BEHIND]]
    portable.model.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=portable.max_new_tokens, **options
    )
    portable.model.config.eos_token_id = end
    portable.model.save_pretrained(folder)
    portable.tokenizer.save_pretrained(folder)
    add_older_places(folder)


def snippet(portable: Portable, question: str, folder: Path) -> str:
    """A program that asks the model in a folder this question.

    Texts of a tokenizer stand in it as literals: whatever they are, they are not run.
    """
    from transformers import AutoTokenizer

    text = portable.prompt.replace("{question}", question)
    automatic = AutoTokenizer.from_pretrained(str(folder))
    same = automatic(text)["input_ids"] == portable.tokenizer(text)["input_ids"]
    return SNIPPET.format(
        loader="AutoTokenizer" if same else "PreTrainedTokenizerFast",
        folder=json.dumps(str(folder)),
        prompt=json.dumps(portable.prompt),
        separators=json.dumps(portable.separators),
        question=json.dumps(question),
    )


def run_snippet(code: str, folder: Path) -> tuple[Callable[[str], str | None], str]:
    """Run the snippet: its `answer`, and what it printed."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, str(folder / "snippet.py"), "exec"), names)
    answer: Callable[[str], str | None] = names["answer"]
    return answer, printed.getvalue().strip()

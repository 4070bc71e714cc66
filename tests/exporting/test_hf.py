"""`icot-tui export --to hf`: plain transformers answers as icot-tui does, or nothing is written."""

import ast
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from icot_tui.data.vocabulary import kept_tokens
from icot_tui.exporting import hf
from icot_tui.exporting.portable import make_portable
from icot_tui.exporting.source import ExportSource, read_source
from tests.tiny import TINY, tiny, train_new

CASES = [
    *[("eos", 0, 0), ("eos", 0, 4), ("eos", 1, 4), ("eos", 1, 8)],
    *[("own", 0, 0), ("own", 0, 4), ("own", 1, 8)],
]


@pytest.mark.slow
@pytest.mark.parametrize(("separator", "kept", "stage"), CASES)
def test_an_export_has_proven_itself(separator, kept, stage, trained, export, tmp_path) -> None:
    """At every stage, with each kind of separators, and with positions closed up and kept."""
    checkpoint = trained(separator, bool(kept))[stage]
    out = tmp_path / "out"
    export(checkpoint, "hf", out)
    assert {path.name for path in out.iterdir()} == {
        *("README.md", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    card = (out / "README.md").read_text()
    assert "answered 200 held-out questions just as icot-tui does" in card
    assert ("Every prompt must have 6 tokens" in card) == bool(kept and stage)
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.slow
@pytest.mark.parametrize(("separator", "stage"), [("eos", 0), ("own", 8)])
def test_a_model_with_the_words_of_its_data_is_exported(
    separator, stage, trained, words, export, tmp_path
) -> None:
    """With a word more where end-of-text has two meanings; other tokens have no row."""
    checkpoint = trained(separator, tokenizer=words, vocabulary="data")[stage]
    export(checkpoint, "hf", tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.config.vocab_size == kept_tokens(tokenizer) < 40
    assert model.config.eos_token_id == tokenizer.eos_token_id < model.config.vocab_size
    with pytest.raises(IndexError):
        model(tokenizer(" x", return_tensors="pt")["input_ids"])


@pytest.mark.slow
def test_the_card_holds_a_program_that_prints_what_it_says(trained, export, tmp_path) -> None:
    out = tmp_path / "out"
    export(trained("own", True)[8], "hf", out)
    card = (out / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (said,) = re.findall(r"It prints `(.*?)`", card)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said


@pytest.mark.slow
def test_texts_of_a_tokenizer_are_not_run(trained, tmp_path) -> None:
    source = read_source(trained("own", True)[8], None, None)
    portable = make_portable(source)
    strange = replace(portable, separators='")\nprint("run")\n("\'\\|x')
    hf.write_model(strange, tmp_path)
    program = ast.parse(hf.snippet(strange, source.texts[0].input, tmp_path))
    values = {
        line.targets[0].id: line.value.value
        for line in program.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
    }
    assert values == {
        "folder": str(tmp_path),
        "prompt": strange.prompt,
        "separators": strange.separators,
    }
    assert len(program.body) == 10


@pytest.mark.slow
def test_the_pipeline_of_transformers_answers_alike(trained, export, tmp_path) -> None:
    """With separators of their own, all of it needs no more than the prompt."""
    out, newer = tmp_path / "out", shutil.copytree(trained("own", False)[8], tmp_path / "newer")
    (newer / "manifest.json").unlink()
    state = json.loads((newer / "state.json").read_text())
    (newer / "state.json").write_text(json.dumps(state | {"moon": 1}))
    assert "moon in its state.json is not known" in export(newer, "hf", out)
    source = read_source(trained("own", False)[8], None, None)
    generate = pipeline("text-generation", str(out))
    for text, own in list(zip(source.texts, source.answers, strict=True))[:20]:
        (found,) = generate(f" {text.input}<|cot|>", return_full_text=False)
        assert (found["generated_text"].partition("####")[2].strip() or None) == own


@pytest.mark.slow
def test_a_different_answer_leaves_nothing(trained, export, tmp_path, monkeypatch) -> None:
    write = hf.write_model

    def damaged(portable, folder) -> None:
        with torch.no_grad():
            portable.model.get_input_embeddings().weight.add_(torch.eye(1, 32)[0])
            portable.model.transformer.ln_f.weight.mul_(-1)
        write(portable, folder)

    monkeypatch.setattr(hf, "write_model", damaged)
    said = export(trained("own", False)[8], "hf", tmp_path / "out", status=1)
    assert re.search(r"answers \d+ of 200 held-out questions otherwise .* first '\d \d \*", said)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_rotary_positions_that_were_kept_are_refused(trained, export, tmp_path) -> None:
    checkpoints = trained("own", True, architecture="llama")
    assert "computes positions" in export(checkpoints[8], "hf", tmp_path / "out", status=2)
    assert not (tmp_path / "out").exists()
    export(checkpoints[0], "hf", tmp_path / "out")  # nothing is removed, so none is kept


@pytest.mark.slow
def test_what_cannot_be_exported_is_refused(trained, export, tmp_path) -> None:
    checkpoint = trained("own", False)[8]
    few = tmp_path / "few.txt"
    few.write_text("1 2 * 3 4||1 #### 2\n" * 3)
    said = export(checkpoint, "hf", tmp_path / "out", "--data", str(few), status=2)
    assert "3 examples, and an export is proven with at least 200" in said
    (tmp_path / "there").mkdir()
    assert "is there already" in export(checkpoint, "hf", tmp_path / "there", status=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.txt", "there"]


@pytest.fixture
def unlike(trained, tmp_path) -> tuple[Path, Path]:
    """Checkpoint folders copied from their runs, and questions of unlike lengths."""
    source: ExportSource = read_source(trained("eos", True)[4], None, None)
    lines = []
    for row, text in enumerate(source.texts):
        chain, answer = (text.cot, text.answer) if row % 2 else ("1 2 3 4", "5")
        lines.append(f"{text.input}||{chain} #### {answer}\n")
    file = tmp_path / "unlike.txt"
    file.write_text("".join(lines))
    return file, tmp_path / "out"


@pytest.mark.slow
def test_chains_of_unlike_lengths_are_refused_where_it_matters(trained, export, unlike) -> None:
    file, out = unlike
    said = export(trained("eos", False)[4], "hf", out, "--data", str(file), status=2)
    assert "no other program can tell the two apart" in said


@pytest.mark.slow
def test_generate_needs_no_settings(trained, export, tmp_path) -> None:
    export(trained("own", False)[8], "hf", tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert set(tokenizer(" 1 2")) == {"input_ids", "attention_mask"}
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert settings["do_sample"] is False and settings["eos_token_id"] == tokenizer.eos_token_id
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.generation_config.max_new_tokens == settings["max_new_tokens"]


@pytest.mark.slow
def test_adapters_are_merged(trained, export, tmp_path) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    export(trained("own", False)[8], "hf", base)
    config = tiny(
        data=TINY["data"] | {"tokenizer": str(base), "separator": None, "validation_examples": 200},
        model={"pretrained": str(base), "lora": {"rank": 2}},
        curriculum={"schedule": "stages", "stages": [{"stage": 8, "steps": 40}]},
        train={"max_steps": 40},
    )
    export(train_new(tmp_path, config).path, "hf", out)
    assert not list(out.glob("adapter*"))
    merged, before = (load_file(folder / "model.safetensors") for folder in (out, base))
    assert merged.keys() == before.keys()
    assert any(not torch.equal(merged[name], before[name]) for name in merged)

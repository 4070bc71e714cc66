"""Files nested so deeply that parsers give up, in place of any file: a sentence, and no more."""

import json
import shutil

import pytest

from icot_tui.analysis.probe_store import FOLDER, digest, load
from icot_tui.cli.app import run
from icot_tui.data.cache import sealed_facts
from icot_tui.engine.checkpoints.checkpoint import MANIFEST, _fingerprint, list_checkpoints
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.prompted.replies import KeptReplies, Reply
from icot_tui.models.published import published_config
from tests.faults.foreign import within

NESTED = ("[" * 200_000, '{"a":' * 200_000)
IN_CHECKPOINT = (
    *(MANIFEST, "state.json", "icot_tui.json", "config.json", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json"),
)
IN_RUN = ("journal.jsonl", "config.toml", "notes.toml", "lock", "samples")
COMMANDS = ("runs list --runs RUNS", "runs show RUN", "ask RUN 12*34", "resume RUN --quiet")


def nest(folder: RunFolder, part: str, nested: str) -> None:
    """Put it in the place of a file, in all checkpoints, whose manifests agree."""
    if part not in IN_CHECKPOINT:
        paths = [*folder.samples.iterdir()] if part == "samples" else [folder.path / part]
        for path in paths:
            path.write_text(nested)
        return
    for checkpoint in list_checkpoints(folder.checkpoints):
        (checkpoint.path / part).write_text(nested)
        if part != MANIFEST:
            manifest = json.loads((checkpoint.path / MANIFEST).read_text())
            manifest[part] = _fingerprint(checkpoint.path / part)
            (checkpoint.path / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.slow
@pytest.mark.parametrize("part", [*IN_CHECKPOINT, *IN_RUN])
def test_nothing_is_so_deeply_nested_that_it_is_no_sentence(stopped, tmp_path, capfd, part):
    for number, nested in enumerate(NESTED):
        folder = RunFolder(tmp_path / str(number) / "run")
        shutil.copytree(stopped.path, folder.path, ignore=shutil.ignore_patterns("lock"))
        nest(folder, part, nested)
        places = {"RUN": str(folder.path), "RUNS": str(folder.path.parent)}
        for command in COMMANDS:
            with within(20):
                status = run([places.get(word, word) for word in command.split()])
            said = "".join(capfd.readouterr())
            assert status in (0, 1, 2) and "unexpected" not in said, f"{command}: {said}"
            assert "Traceback" not in said, f"{command}: {said}"


def test_so_it_is_with_files_that_are_read_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "cache"))
    report = tmp_path / FOLDER / "probe-first.json"
    report.parent.mkdir()
    for path in (tmp_path / "config.json", tmp_path / MANIFEST, report):
        path.write_text(NESTED[0])
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert digest(tmp_path)
    assert load(tmp_path, "first") is None
    assert sealed_facts(tmp_path) is None
    with pytest.raises(UserError, match=r"config\.json cannot be read \(maximum recursion"):
        published_config(tmp_path)
    replies, reply = KeptReplies(["somebody"]), Reply("1", 2, 3, cut=False)
    replies.keep([], reply)
    assert replies.get([]) == reply
    replies._path([]).write_text(NESTED[0])
    assert replies.get([]) is None

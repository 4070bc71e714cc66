"""`--push`: through huggingface_hub, to a stand-in of the hub on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporting.conftest import Train
from tests.exporting.hub import Hub, hub_at_work

PUSH = """
import sys
from pathlib import Path
from icot_tui.errors import UserError
from icot_tui.exporting.push import push_folder
try:
    print(push_folder(Path(sys.argv[1]), *sys.argv[2:]))
except UserError as error:
    sys.exit(f"error: {error}")
"""
FILES = {"README.md": b"---\nlibrary_name: transformers\n---\n", "model.safetensors": b"\x00\x01"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_at_work() as hub:
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def push(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return at_hub(url, "-c", PUSH, *words)


def at_hub(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: huggingface_hub reads the hub's address when it is imported."""
    environment = {key: value for key, value in os.environ.items() if "OFFLINE" not in key}
    environment |= {"HF_ENDPOINT": url, "HF_TOKEN": "hf_made_up", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_folder_is_uploaded_whole(hub: Hub, folder: Path, kind: str) -> None:
    done = push(hub.url, str(folder), "me/demo", kind)
    assert done.returncode == 0, done.stderr
    front = "" if kind == "model" else "datasets/"
    assert done.stdout.strip() == f"{hub.url}/{front}me/demo"
    assert hub.repositories == {f"{kind}s/me/demo": FILES}
    assert hub.tokens == {"Bearer hf_made_up"}


@pytest.mark.slow
def test_the_command_uploads_what_it_has_exported(hub: Hub, trained: Train, tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "out", str(trained("own", False)[8])
    words = ["export", checkpoint, "--to", "hf", "--out", str(out), "--push", "me/demo", "--json"]
    done = at_hub(hub.url, "-m", "icot_tui", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pushed"] == f"{hub.url}/me/demo"
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert hub.repositories == {"models/me/demo": written}


@pytest.mark.slow
def test_what_the_hub_refuses_is_one_sentence(hub: Hub, folder: Path) -> None:
    hub.refuse = "You are not me"
    done = push(hub.url, str(folder), "me/demo")
    assert done.returncode == 1
    assert "error: the hub refuses me/demo: You are not me" in done.stderr
    done = push(hub.url, str(folder), "no name/at/all")
    assert "error: no name/at/all cannot be uploaded: " in done.stderr
    assert not hub.repositories


@pytest.mark.slow
def test_no_hub_is_one_sentence(folder: Path) -> None:
    done = push("http://127.0.0.1:9", str(folder), "me/demo")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "cannot be uploaded" in done.stderr

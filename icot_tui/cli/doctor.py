"""`icot-tui doctor`: can this machine train, and what would make it faster?"""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer

from icot_tui import resources
from icot_tui.cli.console import console, print_json, print_table
from icot_tui.cli.options import Json
from icot_tui.engine.run_folder import runs_folder
from icot_tui.formatting import plain
from icot_tui.models.device import usable_cores

app = typer.Typer()

PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "numpy",
    "pydantic", "typer", "rich", "textual",
)  # fmt: skip
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; a failure would prevent a run, a warning would not."""

    topic: str
    status: Literal["ok", "warning", "failure"]
    found: str
    advice: str = ""


@app.command(epilog="Example: icot-tui doctor --json")
def doctor(json: Json = False) -> None:
    """Check that this machine can train; exit status 1 if something prevents it."""
    findings = list(examine())
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [(f.status, f.topic, f.found, f.advice) for f in findings]
        print_table(("status", "topic", "found", "advice"), rows)
    if any(finding.status == "failure" for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Everything that is checked, in the order of the report."""
    yield from versions()
    yield from processor()
    yield from gpus()
    yield memory()
    yield from folders()
    yield terminal()


def _finding(topic: str, found: str, advice: str = "") -> Finding:
    """What is fine, or what a piece of advice warns about."""
    return Finding(topic, "warning" if advice else "ok", found, advice)


def versions() -> Iterator[Finding]:
    """Python and the libraries, compared with the tested versions."""
    yield _finding("python", platform.python_version())
    pins = resources.constraints().read_text()
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)", pins, re.MULTILINE))
    for package in PACKAGES:
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            advice = f"pip install {package}=={tested[package]}"
            yield Finding(package, "failure", "not installed", advice)
            continue
        same = found.split("+")[0] == tested[package]
        yield _finding(package, found, "" if same else f"tested with {tested[package]}")


def processor() -> Iterator[Finding]:
    """Usable CPU cores, threads of torch, bfloat16."""
    import psutil
    import torch

    usable = usable_cores()
    found = f"{usable} of {psutil.cpu_count()} usable, {torch.get_num_threads()} threads"
    busy = psutil.getloadavg()[0]
    crowded = f"load average is {busy:.1f}: training will be slower"
    yield _finding("cpu cores", found, crowded if busy > usable else "")

    cpuinfo = Path("/proc/cpuinfo")
    yield _bfloat16(set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set())


def _bfloat16(flags: set[str]) -> Finding:
    """What /proc/cpuinfo says of matrix products in bfloat16."""
    fast = sorted(flags & {"amx_bf16", "avx512_bf16", "bf16"})
    faster = "bfloat16-mixed" if fast else "float32"
    advice = f"on this CPU, model.precision = {faster} is faster"
    measured = fast != ["bf16"]  # not on Arm's
    return Finding(
        "cpu bfloat16", "ok", ", ".join(fast) or "not supported", advice if measured else ""
    )


def gpus() -> Iterator[Finding]:
    """GPUs that the driver sees, and whether torch can use them."""
    import torch

    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    seen = list(_nvidia_gpus())
    for number, (name, free, total) in enumerate(seen):
        found = f"{name}, {free / GIB:.0f} of {total / GIB:.0f} GiB free"
        advice = "another process uses memory on it" if free < 0.9 * total else ""
        if usable == 0:
            advice = f"torch {torch.__version__} can't use it: install a CUDA build of torch"
        yield _finding(f"gpu {number}", found, advice)
    if not seen:
        found = "Apple" if torch.backends.mps.is_available() else "none: runs train on the CPU"
        yield _finding("gpu", f"{usable} through torch" if usable else found)


def _nvidia_gpus() -> Iterator[tuple[str, int, int]]:
    """Name, free and total bytes of each GPU that the driver sees."""
    import pynvml

    try:
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            held = pynvml.nvmlDeviceGetMemoryInfo(handle)
            yield str(pynvml.nvmlDeviceGetName(handle)), int(held.free), int(held.total)
    except pynvml.NVMLError:
        return


def memory() -> Finding:
    """Memory available to a run."""
    import psutil

    held = psutil.virtual_memory()
    found = f"{held.available / GIB:.1f} of {held.total / GIB:.1f} GiB free"
    little = "only enough for the demo: close other programs"
    return _finding("memory", found, little if held.available < 2 * GIB else "")


def folders() -> Iterator[Finding]:
    """Folders of runs and of encoded data: writable, and enough space."""
    import platformdirs

    yield folder("runs folder", runs_folder())
    yield folder("cache folder", platformdirs.user_cache_path("icot-tui"))


def folder(topic: str, path: Path) -> Finding:
    """Check one folder, which need not exist yet; leaves nothing behind."""
    path = path.absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding(topic, "failure", f"{path}: {error.strerror}", "make it writable")
    found = f"{path}, {free / GIB:.1f} GiB free"
    if free < 0.2 * GIB:
        return Finding(topic, "failure", found, "no space for a checkpoint: free some")
    little = "little space for checkpoints of large models"
    return _finding(topic, found, little if free < 5 * GIB else "")


def terminal() -> Finding:
    """Size, colours and encoding, and whether a dropped link would end what runs in it."""
    inside = "tmux" if os.environ.get("TMUX") else "screen" if os.environ.get("STY") else ""
    inside = inside or ("ssh" if os.environ.get("SSH_CONNECTION") else "")
    if not sys.stdout.isatty():
        return _finding("terminal", "none: plain lines are printed")
    width, height = shutil.get_terminal_size()
    colours = console().color_system or "no"
    found = f"{width}x{height}, {colours} colours, {sys.stdout.encoding}, {inside}".rstrip(", ")
    advice = "80x24 or larger is better" if width < 80 or height < 24 else ""
    if inside == "ssh":
        advice = "start runs inside tmux: a dropped link would end them"
    return _finding("terminal", plain(found), advice)

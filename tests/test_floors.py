"""The house: each floor imports only from the floors below it, and the engine knows no screen."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import icot_tui

PACKAGE = Path(icot_tui.__file__).parent
FLOORS = [
    "cli",
    "api",
    "tui",
    "exporting",
    "studies",
    "analysis",
    "watch",
    "runs",
    "methods",
    "engine",
    "models",
    "curriculum",
    "data",
]
"""From the roof down; config, errors, resources and themes are the ground that all stand on."""


def floor(module: str) -> int:
    """The number of a module's floor; the ground is below all of them."""
    room = module.split(".")[1] if "." in module else ""
    return FLOORS.index(room) if room in FLOORS else len(FLOORS)


def imports(path: Path) -> set[str]:
    """Modules of the project that a file imports, anywhere in it."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("icot_tui.")}


def modules() -> list[str]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [
        ".".join(("icot_tui", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in files
    ]


@pytest.mark.parametrize("module", modules())
def test_imports_only_from_below(module):
    path = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    above = {name for name in imports(path) if floor(name) < floor(module)}
    assert not above or module in ("icot_tui.__main__", "icot_tui.__init__")


def test_one_module_imports_plotext_and_only_when_it_draws():
    """It takes 0.3 s, and its library ends the process on some numbers."""
    found = {
        str(path.relative_to(PACKAGE)): re.findall(r"^( *)import plotext", path.read_text(), re.M)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"(import|from) plotext", path.read_text())
    }
    assert found == {"cli/plots/canvas.py": [" " * 8]}


@pytest.mark.slow
def test_the_engine_knows_no_screen():
    engine = [module for module in modules() if floor(module) >= FLOORS.index("runs")]
    code = "; ".join(
        [f"import {module.removesuffix('.__init__')}" for module in engine]
        + ["import sys", "print([m for m in ('textual', 'plotext') if m in sys.modules])"]
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param("icot_tui.methods", id="methods"),  # lists of runs read every method's facts
        pytest.param(
            "icot_tui.tui.session.training_thread, icot_tui.tui.session.run_app, "
            "icot_tui.tui.app.app",
            id="first frame",
        ),
    ],
)
def test_what_must_be_quick_loads_no_heavy_library(modules):
    heavy = "[name for name in ('torch', 'transformers', 'numpy') if name in sys.modules]"
    code = f"import {modules}, sys; print({heavy})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr

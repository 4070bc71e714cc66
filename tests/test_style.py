"""The style that a program can check: short signatures, one name for one thing, no circles."""

import ast
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import icot_tui

PACKAGE = Path(icot_tui.__file__).parent
MOST_PARAMETERS = 7
"""Of a function or constructor; records with more fields are built by keyword."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[str, ast.Module]:
    """Each module's syntax by its path in the package."""
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def long_signatures(path: str, tree: ast.Module) -> Iterator[str]:
    """Functions with too many parameters; a command's are its options, given by keyword."""
    for node in ast.walk(tree):
        if not isinstance(node, Function) or is_command(node):
            continue
        given = node.args
        names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MOST_PARAMETERS:
            yield f"{path}: {node.name}"


def is_command(node: Function) -> bool:
    """Is it one of Typer's?"""
    decorators = map(ast.unparse, node.decorator_list)
    return any(".command(" in one or ".callback(" in one for one in decorators)


def positional_calls(path: str, tree: ast.Module) -> Iterator[str]:
    """Calls with as many positional values as a signature may have parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) >= MOST_PARAMETERS:
            yield f"{path}: {ast.unparse(node.func)}"


def positional_records(path: str, tree: ast.Module) -> Iterator[str]:
    """Dataclasses and structs with many fields that can be built by position."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        made_by = [*map(ast.unparse, node.decorator_list), *map(ast.unparse, node.bases)]
        if not any("dataclass" in one or one.endswith("Struct") for one in made_by):
            continue
        keywords = [ast.unparse(one) for one in node.keywords]
        by_keyword = any("kw_only=True" in one for one in (*made_by, *keywords))
        fields = [
            one
            for one in node.body
            if isinstance(one, ast.AnnAssign) and "ClassVar" not in ast.unparse(one.annotation)
        ]
        if len(fields) > MOST_PARAMETERS and not by_keyword:
            yield f"{path}: {node.name}"


def method_comparisons(path: str, tree: ast.Module) -> Iterator[str]:
    """Comparisons of the method's name: the method itself says what is special about it."""
    if path.startswith(("methods/", "config/")):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [ast.unparse(part) for part in (node.left, *node.comparators)]
            if any(part.endswith("method.name") for part in parts):
                yield f"{path}: {ast.unparse(node)}"


def names_twice() -> Iterator[str]:
    """Public classes of the same name in several modules."""
    places = defaultdict(list)
    for path, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    for name, paths in places.items():
        if len(paths) > 1:
            yield f"{name}: {', '.join(paths)}"


def circular_imports() -> Iterator[str]:
    """Imports that lead back to where they stand; deferred ones and those for types too."""
    modules = {module_name(path): tree for path, tree in trees().items()}
    graph = {name: set(imported(tree, modules)) - {name} for name, tree in modules.items()}
    for name, others in graph.items():
        for other in others:
            if name in reachable(graph, other):
                yield f"{name} -> {other}"


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """All that one comes to from here."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def module_name(path: str) -> str:
    """`icot_tui.config` for its `__init__.py`, as an import names it."""
    parts = Path(path).with_suffix("").parts
    return ".".join(("icot_tui", *(part for part in parts if part != "__init__")))


def imported(tree: ast.AST, modules: dict[str, ast.Module]) -> Iterator[str]:
    """Modules of the package that this syntax imports, for types alone too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
            yield from inner or {node.module}
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & modules.keys()
        else:
            yield from imported(node, modules)


IN_A_MODULE = (long_signatures, positional_calls, positional_records, method_comparisons)
IN_THE_PACKAGE = (names_twice, circular_imports)


@pytest.mark.parametrize("rule", IN_A_MODULE, ids=lambda rule: rule.__name__)
def test_every_module(rule: Callable[[str, ast.Module], Iterator[str]]) -> None:
    found = {one for path, tree in trees().items() for one in rule(path, tree)}
    assert not found


@pytest.mark.parametrize("rule", IN_THE_PACKAGE, ids=lambda rule: rule.__name__)
def test_the_whole_package(rule: Callable[[], Iterator[str]]) -> None:
    assert not list(rule())


def test_the_checks_find_what_they_look_for() -> None:
    text = """
def many(a, b, c, d, e, f, g, h): ...
class One:
    def __init__(self, a, b, c, d, e, f, g): ...
@app.command()
def options(a, b, c, d, e, f, g, h): ...
@dataclass(frozen=True)
class Record:
    a: int; b: int; c: int; d: int; e: int; f: int; g: int; h: int
class Line(Struct, kw_only=True):
    a: int; b: int; c: int; d: int; e: int; f: int; g: int; h: int
many(1, 2, 3, 4, 5, 6, 7, h=8)
config.method.name == "stepwise"
"""
    tree = ast.parse(text)
    found = Counter(one for rule in IN_A_MODULE for one in rule("engine/x.py", tree))
    expected = ["many", "many", "Record", "config.method.name == 'stepwise'"]
    assert found == Counter(f"engine/x.py: {one}" for one in expected)

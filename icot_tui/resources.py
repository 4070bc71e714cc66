"""The files that come with the package: sample configs, themes, the tested versions.

In a checkout they are beside the package; in an installed wheel inside it, in `bundled`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_BUNDLED = _PACKAGE / "bundled"
_ROOT = _BUNDLED if _BUNDLED.is_dir() else _PACKAGE.parent


def sample_configs() -> dict[str, Path]:
    """Path of each sample config by its name, e.g. "demo"."""
    return toml_files(_ROOT / "sample_configs")


def studies() -> dict[str, Path]:
    """Path of each study that comes with the package, by its name, e.g. "table2"."""
    return toml_files(_ROOT / "sample_configs" / "studies")


def themes() -> dict[str, Path]:
    """Path of each theme that comes with the package, by its name."""
    return toml_files(_ROOT / "themes")


def constraints() -> Path:
    """The file of the tested versions."""
    return _ROOT / "constraints.txt"


def toml_files(folder: Path) -> dict[str, Path]:
    """The TOML files of a folder by name, sorted; empty if there is no such folder."""
    paths = sorted(folder.glob("*.toml"), key=lambda path: path.stem)
    return {path.stem: path for path in paths}

"""The project's own files: packaging, pins, themes, README."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from icot_tui import resources, themes
from icot_tui.errors import UserError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_carries_themes_and_samples(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert all(name.startswith(("icot_tui/", "icot_tui-")) for name in names)
    assert not any("__pycache__" in name for name in names)
    program = (
        "from icot_tui import resources, themes; from icot_tui.config import load_config; "
        "print(load_config('demo').path, themes.load_theme('night').name, "
        "len(resources.sample_configs()), len(resources.themes()), "
        "resources.constraints().is_file())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    bundled = tmp_path / "icot_tui" / "bundled" / "sample_configs" / "demo.toml"
    samples, colours = len(resources.sample_configs()), len(resources.themes())
    assert done.stdout.split() == [str(bundled), "night", str(samples), str(colours), "True"]


def test_every_dependency_is_pinned_to_a_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = resources.constraints().read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([\d.]+)", text, re.MULTILINE))
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    assert "+" not in re.sub("#.*", "", text)

    def number(version: str) -> tuple[int, ...]:
        return tuple(map(int, version.split(".")))

    for requirement in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        name, least = requirement.split(">=")
        assert number(pins[name]) >= number(least), requirement


# --- themes ---


def test_there_are_dark_light_contrast_and_ansi_themes() -> None:
    loaded = [themes.load_theme(name) for name in resources.themes()]
    assert [theme.name for theme in loaded] == list(resources.themes())
    assert sum(not theme.dark for theme in loaded) == 2
    ansi = themes.load_theme("ansi").model_dump(exclude={"name", "dark"})
    assert all(colour.startswith("ansi_") for colour in ansi.values())


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 has it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", [name for name in resources.themes() if name != "ansi"])
def test_text_stands_out_from_every_background(name: str) -> None:
    theme = themes.load_theme(name).model_dump()
    least = 7.0 if name == "contrast" else 4.5
    inks = ("primary", "secondary", "accent", "success", "warning", "error", "foreground")
    for ink in inks:
        for ground in ("background", "surface", "panel"):
            pair = sorted(luminance(theme[part]) + 0.05 for part in (ink, ground))
            assert pair[1] / pair[0] >= least, (ink, ground, pair[1] / pair[0])


@pytest.mark.parametrize("name", resources.themes())
def test_themes_colour_rich_output(name: str) -> None:
    styles = themes.rich_theme(name).styles
    assert styles["error"].bold
    assert styles["bar.complete"].color is not None


def test_users_own_themes_win_and_their_mistakes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(themes, "user_theme_folder", lambda: tmp_path)
    own = tmp_path / "mine.toml"
    night = resources.themes()["night"].read_text()
    own.write_text(night.replace('"night"', '"mine"').replace("#7aa2f7", "#123456"))
    monkeypatch.setenv("ICOT_TUI_THEME", "mine")
    assert themes.load_theme().primary == "#123456"

    own.write_text(night.replace("#7aa2f7", "blueish"))
    with pytest.raises(UserError, match=r"mine\.toml:4: primary must be text that matches"):
        themes.load_theme()
    with pytest.raises(UserError, match="no theme is named 'nigt'; did you mean night"):
        themes.load_theme("nigt")


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    from icot_tui.cli.console import console

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with console().capture() as captured:
        pass
    assert captured.get() == ""
    assert console().no_color

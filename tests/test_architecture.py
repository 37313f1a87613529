"""The one-way rules between the packages, and what every module has to be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lfsynth", "psf", "drbnet", "pipelines")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL_CODE = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
MOST_LINES = 450
# what a network may know of light fields: a picture, a dataset, and the errors and curves that these speak of
GROUND_FLOOR = {
    "lfsynth",
    "lfsynth.pictures",
    "lfsynth.lfdof",
    "lfsynth.errors",
    "lfsynth.transfer",
    "lfsynth.command_line",
    "lfsynth.machine",
    "lfsynth.pairing",
}
HEAVY = {"numba", "scipy", "torch", "cv2", "h5py", "joblib"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(source: str) -> set[str]:
    """Names of the modules that a source text imports, wherever in it.

    `from package import name` counts as `package.name` where there is such a module, else as `package`.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            assert node.module is not None
            for alias in node.names:
                inner = ROOT.joinpath(*node.module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return found


def top_level(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def offenders(package: str, forbidden: set[str]) -> dict[str, set[str]]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        wrong = top_level(imports(path.read_text())) & forbidden
        if wrong:
            found[named(path)] = wrong
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import numpy as np, lfsynth.png", {"numpy", "lfsynth.png"}),
        ("from lfsynth import refocus, __version__", {"lfsynth.refocus", "lfsynth"}),
        ("from lfsynth.readers import hdf5", {"lfsynth.readers.hdf5"}),
        ("from lfsynth.pictures import read", {"lfsynth.pictures"}),
        ("def f():\n    import torch.nn", {"torch.nn"}),
    ],
)
def test_imports_are_found(source: str, found: set[str]) -> None:
    assert imports(source) == found


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("lfsynth", {"psf", "drbnet", "pipelines"}),
        ("psf", {"drbnet", "pipelines"}),
        ("drbnet", {"psf", "pipelines"}),
    ],
)
def test_a_package_imports_nothing_that_comes_after_it(package: str, forbidden: set[str]) -> None:
    assert (ROOT / package / "__init__.py").exists()
    assert offenders(package, forbidden) == {}


def test_networks_know_light_fields_by_pictures_and_datasets_alone() -> None:
    beyond = {
        named(path): {m for m in imports(path.read_text()) if m.split(".")[0] == "lfsynth"} - GROUND_FLOOR
        for path in (ROOT / "drbnet").rglob("*.py")
    }
    assert {path: modules for path, modules in beyond.items() if modules} == {}


def test_the_ground_floor_stands_on_itself_and_the_picture_codec() -> None:
    for module in GROUND_FLOOR - {"lfsynth"}:
        path = ROOT / (module.replace(".", "/") + ".py")
        ours = {m for m in imports(path.read_text()) if m.startswith("lfsynth.")}
        assert ours <= GROUND_FLOOR | {"lfsynth.png", "lfsynth.opencv"}, module


def test_only_the_command_line_knows_commands() -> None:
    for path in (ROOT / "lfsynth").rglob("*.py"):
        if named(path) in {"lfsynth/cli.py", "lfsynth/command_line.py"} or named(path).startswith(
            "lfsynth/commands/"
        ):
            continue
        modules = imports(path.read_text())
        assert not [m for m in modules if m.startswith("lfsynth.commands")], named(path)
        assert not top_level(modules) & {"click", "rich"}, named(path)


def test_torchvision_is_nowhere() -> None:
    assert [named(path) for path in ALL_CODE if "torchvision" in top_level(imports(path.read_text()))] == []
    assert "torchvision" not in (ROOT / "pyproject.toml").read_text() + (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize(
    "statement",
    [
        "import lfsynth",
        "from lfsynth.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from psf.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_importing_and_asking_for_help_load_nothing_heavy(statement: str) -> None:
    show = f"import sys\n{statement}\nprint('loaded', *sorted({HEAVY} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1].split() == ["loaded"]


def test_every_module_says_what_it_is() -> None:
    spoken_for = [*MODULES, *(ROOT / "benchmarks").rglob("*.py")]
    assert [named(path) for path in spoken_for if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_benchmarks_find_the_packages_whose_names_files_beside_them_have() -> None:
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    hidden = {path.stem for path in files} & set(PACKAGES)
    need = {path for path in files if top_level(imports(path.read_text())) & hidden}
    assert need
    assert [named(path) for path in need if "sys.path" not in path.read_text()] == []


def test_no_module_is_long() -> None:
    lines = {named(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}

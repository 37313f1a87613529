"""What of a camera pictures have, as options of generate and refocus."""

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfsynth.lfdof import read_manifest

ONE = ("--radii", "2.5", "--slopes=-1,1")


@pytest.fixture
def psf(tmp_path: Path) -> Path:
    at = np.arange(9) - 4
    line = np.exp(-0.5 * (at / 1.5) ** 2)
    np.save(tmp_path / "camera.npy", np.outer(line, line))
    return tmp_path / "camera.npy"


def pictures(out: Path, kind: str) -> dict[str, np.ndarray]:
    found = {}
    for row in read_manifest(out):
        if row["kind"] == kind:
            found[row["path"]] = cv2.imread(str(out / row["path"]), cv2.IMREAD_UNCHANGED).astype(float)
    return found


def test_all_of_a_camera(run, tmp_path: Path, raw: Path, psf: Path, contents) -> None:
    options = ["--cats-eye", 0.8, "--recover-highlights", 3, "--noise-model", "1e-3,0.002", "--psf", psf]
    options += [*ONE, "--aperture-sampling", "dense", "--limit", 2]
    for jobs in (1, 2):
        arguments = ["--lf-dir", raw, "--out", tmp_path / f"out{jobs}", "--jobs", jobs]
        assert run("generate", *arguments, *options).code == 0
    one, two = (
        {n: c for n, c in contents(tmp_path / f"out{j}").items() if n.endswith(".png")} for j in (1, 2)
    )
    assert len(one) == 2 * 3
    assert one == two
    rows = read_manifest(tmp_path / "out1")
    assert rows == read_manifest(tmp_path / "out2")
    for row in rows:
        assert row["lens"] == {
            "cats_eye": 0.8,
            "recover_highlights": 3.0,
            "noise_model": {"gain": 1e-3, "read": 0.002},
            "psf": {"sha256": hashlib.sha256(psf.read_bytes()).hexdigest()},
        }
    # Light fields a and b are the same; their noise is not.
    inputs = list(pictures(tmp_path / "out1", "input").values())
    assert np.abs(inputs[0] - inputs[2]).max() > 1


def test_without_them_nothing_is_told(run, tmp_path: Path, raw: Path) -> None:
    assert run("generate", "--lf-dir", raw / "a.h5", "--out", tmp_path / "out", *ONE, "-j", 1).code == 0
    assert all("lens" not in row for row in read_manifest(tmp_path / "out"))


@pytest.mark.parametrize(
    "options",
    [
        ["--cats-eye", "0.8"],
        ["--recover-highlights", "2"],
        ["--noise-model", "0,0.01"],
        ["--psf", "camera.npy"],
    ],
)
def test_each_makes_other_pictures_and_a_run_with_others_goes_on(
    run, tmp_path: Path, raw: Path, psf: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["generate", "--lf-dir", raw / "a.h5", "--out", "out", *ONE, "--bits", 16, "--jobs", 1]
    assert run(*arguments).code == 0
    plain, truth = pictures(tmp_path / "out", "input"), pictures(tmp_path / "out", "ground_truth")
    again = run(*arguments, *options)
    assert "(0 made earlier)" in again.out
    made = pictures(tmp_path / "out", "input")
    # There are no lights in this scene; of the others, each changes every picture.
    changes = [np.abs(made[name] - plain[name]).max() for name in plain]
    assert (max(changes) == 0) if "highlights" in options[0] else (min(changes) > 100)
    np.testing.assert_equal(pictures(tmp_path / "out", "ground_truth"), truth)
    assert "(1 made earlier)" in run(*arguments, *options).out


def test_another_kernel_in_the_same_file_is_another(run, tmp_path: Path, raw: Path, psf: Path) -> None:
    arguments = ["generate", "--lf-dir", raw / "a.h5", "--out", tmp_path / "out", *ONE, "-j", 1, "--psf", psf]
    assert run(*arguments).code == 0
    assert "(1 made earlier)" in run(*arguments).out
    np.save(psf, np.eye(3))
    assert "(0 made earlier)" in run(*arguments).out


@pytest.mark.parametrize("options", [[], ["--blades", "6"], ["--inner-radius", "1"], ["--size", "60x80"]])
def test_refocus(run, tmp_path: Path, raw: Path, psf: Path, options: list[str]) -> None:
    given = ["refocus", raw / "a.h5", "--slope", -1, *options]
    extra = ["--cats-eye", 1, "--psf", psf, "--noise-model", "1e-4,1e-3", "--recover-highlights", 2]
    for name, more in (("x", []), ("y", extra), ("z", extra)):
        assert run(*given, *more, "--out", tmp_path / f"{name}.png").code == 0
    x, y, z = ((tmp_path / f"{name}.png").read_bytes() for name in "xyz")
    assert x != y
    assert y == z


def test_a_sweep(run, tmp_path: Path, raw: Path) -> None:
    extra = ["--cats-eye", 1, "--noise-model", "1e-4,1e-3", "--aperture-sampling", "views"]
    ended = run("refocus", raw / "a.h5", "--sweep", "--size", "20x28", *extra, "--out", tmp_path / "x.gif")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("command", ["generate", "refocus"])
@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--noise-model", "1e-3"],
            "--noise-model: '1e-3' is not of the form GAIN,READ; give two numbers, as .*",
        ),
        (["--noise-model", "1,2,3"], "--noise-model: '1,2,3' is not of the form GAIN,READ; .*"),
        (["--noise-model", "a,b"], "--noise-model: 'a,b' is not of the form GAIN,READ; .*"),
        (
            ["--noise-model=-1e-3,0"],
            "--noise-model: '-1e-3,0' holds a number out of range; give fractions .*",
        ),
        (["--noise-model", "0,nan"], "--noise-model: '0,nan' holds a number out of range; give fractions .*"),
        (["--psf", "none.npy"], r"none\.npy: cannot be read \(No such file or directory\); correct --psf"),
        (["--psf", "text.npy"], r"text\.npy: is no \.npy file .*; give a \.npy file of psf estimate"),
        (["--psf", "off.npy"], r"off\.npy: its centre of mass is 1\.00 px below and 0\.00 px right .*"),
        (["--cats-eye", "1.5"], ".*1.5 is not in the range 0.*1.*"),
        (["--recover-highlights", "-1"], ".*-1.* is not in the range 0.*16.*"),
    ],
)
def test_what_is_refused(
    run,
    tmp_path: Path,
    raw: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    options: list[str],
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npy").write_text("text")
    off = np.zeros((5, 5))
    off[3, 2] = 1
    np.save("off.npy", off)
    given = {
        "generate": ["--lf-dir", raw, "--out", "out"],
        "refocus": [raw / "a.h5", "--slope", 0, "--out", "x.png"],
    }
    ended = run(command, *given[command], *options)
    assert ended.code == 2
    assert re.fullmatch(f"(?s)(.*\n)?(lfsynth|Error): {line}\n", ended.err), ended.err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "x.png").exists()


def test_a_mask_has_no_barrel(run, tmp_path: Path, raw: Path) -> None:
    np.save(tmp_path / "mask.npy", np.ones((5, 5)))
    given = [
        "refocus",
        raw / "a.h5",
        "--slope",
        0,
        "--mask",
        tmp_path / "mask.npy",
        "--out",
        tmp_path / "x.png",
    ]
    ended = run(*given, "--cats-eye", 0.5)
    assert ended.code == 2
    assert ended.err == "lfsynth: --cats-eye: given together with --mask; give one of them\n"
    assert run(*given, "--noise-model", "0,0.01").code == 0

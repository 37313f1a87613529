"""The paper's figures: their numbers, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from lfsynth.pictures import read, write
from lfsynth.transfer import LINEAR
from pipelines.paper.command import main
from pipelines.paper.correlation_figure import misaligned


@pytest.fixture
def paper(running: Callable[..., Any]) -> Callable[..., Any]:
    return running(main)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def make_dataset(root: Path, moved: tuple[float, float]) -> Path:
    """Two pairs of a picture, in focus in its left half, the sharp one moved by so many px (y, x)."""
    for number in range(2):
        rng = np.random.default_rng(number)
        sharp = gaussian_filter(rng.random((128, 160, 1)), (1.5, 1.5, 0))
        sharp = 0.2 + 0.6 * (sharp - sharp.min()) / np.ptp(sharp)
        blurred = gaussian_filter(sharp, (3, 3, 0))
        blurred[:, :80] = sharp[:, :80]
        for name, picture in (("source", blurred), ("target", shift(sharp, (*moved, 0), mode="mirror"))):
            (root / name).mkdir(parents=True, exist_ok=True)
            write(root / name / f"{number}.png", picture.astype(np.float32), transfer=LINEAR, bits=16)
    return root


def test_correlation_of_two_datasets(paper: Any, tmp_path: Path) -> None:
    good = make_dataset(tmp_path / "good", (0, 0))
    bad = make_dataset(tmp_path / "bad", (0.6, -0.8))
    plan = tmp_path / "paper.toml"
    plan.write_text(f'[fig1]\nfirst = "{good}"\nsecond = "{bad}"\n')
    ended = paper("fig1", "--config", plan, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "SMOKE" not in ended.out
    rows = rows_of(tmp_path / "out" / "fig1.csv")
    assert [(row["dataset"], row["pair"]) for row in rows] == [
        (str(root), f"source/{number}.png") for root in (good, bad) for number in (0, 1)
    ]
    # a window at the edge of what is in focus holds some blur, which moves nothing
    shifts = [float(row["median_shift_px"]) for row in rows]
    assert shifts[:2] == pytest.approx([0, 0], abs=0.03)
    # the length of the shift; 0.1 px is what the check promises with noise, and this has none
    assert shifts[2:] == pytest.approx([1, 1], abs=0.05)
    rest, best = ([float(row[name]) for row in rows] for name in ("correlation_at_rest", "best_correlation"))
    assert min(rest[:2]) > 0.98
    assert max(rest[2:]) < min(best[2:]) - 0.05
    assert [row["verdict"] for row in rows] == ["aligned"] * 2 + ["misaligned"] * 2
    picture = read(tmp_path / "out" / "fig1.png")
    assert picture.shape[1] > 900
    assert picture.shape[2] == 3


def test_moved_pictures_are_made_once_and_differ(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "good", (0, 0))
    folder = misaligned(root, tmp_path / "moved")
    path = folder / "target" / "source_0.png"
    first = path.read_bytes()
    time = path.stat().st_mtime_ns
    assert not np.array_equal(read(path), read(root / "target" / "0.png"))
    (folder / "target" / "source_1.png").unlink()
    misaligned(root, folder)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (first, time)
    assert (folder / "target" / "source_1.png").exists()


def test_cameras(paper: Any, tmp_path: Path) -> None:
    texts = {}
    for number, name in enumerate(("front", "in", "back")):
        kernel = np.zeros((9, 9))
        kernel[4 - number : 5 + number, 4 - number : 5 + number] = 1
        np.save(tmp_path / f"{name}.npy", kernel / kernel.sum())
        disk = np.where(np.hypot(*np.mgrid[-30:31, -30:31]) < 15, 0.1, 0.8)[:, :, None].astype(np.float32)
        write(tmp_path / f"{name}.png", disk)
        texts[name] = f"{tmp_path}/{name}.npy@{tmp_path}/{name}.png"
    lines = "".join(f'{name} = "{text}"\n' for name, text in texts.items())
    plan = tmp_path / "paper.toml"
    plan.write_text("".join(f'[[fig2]]\nname = "{name}"\n{lines}' for name in ("DSLR", "light field")))
    ended = paper("fig2", "--config", plan, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    rows = rows_of(tmp_path / "out" / "fig2.csv")
    assert len(rows) == 6
    assert (tmp_path / "out" / "fig2.png").read_bytes() == (
        tmp_path / "out" / "fig2" / "focus.png"
    ).read_bytes()


def test_steps_of_a_network(paper: Any, tmp_path: Path) -> None:
    import torch

    from drbnet.models.drbnet import DRBNet

    torch.manual_seed(0)
    torch.save(DRBNet().state_dict(), tmp_path / "drbnet.pth")
    write(tmp_path / "photo.png", np.random.default_rng(0).random((70, 100, 3)).astype(np.float32))
    plan = tmp_path / "paper.toml"
    plan.write_text(f'[fig4]\nweights = "{tmp_path}/drbnet.pth"\npicture = "{tmp_path}/photo.png"\n')
    ended = paper("fig4", "--config", plan, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    rows = rows_of(tmp_path / "out" / "fig4.csv")
    assert [(row["scale"], row["height"], row["width"]) for row in rows] == [
        ("1/8", "8", "12"),
        ("1/4", "16", "24"),
        ("1/2", "32", "48"),
        ("1/1", "64", "96"),
    ]
    assert {row["output_psnr"] for row in rows} == {""}
    # the change is at most what the two residuals sum to
    for row in rows:
        parts = float(row["filtered"]) + float(row["residual"])
        assert 0 < float(row["output_less_input"]) <= parts + 1e-5


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("fig1", "", "data.lfdof is not given, which fig1 must have"),
        ("fig1", '[fig1]\nfirst = "nowhere"\nsecond = "nowhere"', "nowhere: there is no such folder"),
        ("fig2", "", "fig2 is not given: the kernels of cameras"),
        ("fig2", '[[fig2]]\nname = "a"\nfront = "no.npy"\nin = "no.npy"\nback = "no.npy"', "no.npy"),
        ("fig4", '[fig4]\nweights = "no.pth"\npicture = "no.png"', "no.pth: there is no such file"),
    ],
)
def test_what_a_figure_lacks_is_said(name: str, text: str, said: str, paper: Any, tmp_path: Path) -> None:
    plan = tmp_path / "paper.toml"
    plan.write_text(text)
    ended = paper(name, "--config", plan, "--out", tmp_path / "out")
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_network_without_steps_is_refused(paper: Any, tmp_path: Path) -> None:
    import torch

    from drbnet.models.drbnet import DRBNet

    torch.save(DRBNet(dual=True).state_dict(), tmp_path / "dual.pth")
    write(tmp_path / "photo.png", np.full((64, 64, 3), 0.5, np.float32))
    plan = tmp_path / "paper.toml"
    plan.write_text(f'[fig4]\nweights = "{tmp_path}/dual.pth"\npicture = "{tmp_path}/photo.png"\n')
    ended = paper("fig4", "--config", plan, "--out", tmp_path / "out")
    assert ended.code == 2
    assert "it is of DRBNet, dual, 7 x 7, whose steps cannot be shown" in ended.err

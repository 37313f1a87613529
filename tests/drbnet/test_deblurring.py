"""Files found, named and deblurred: past bad ones, killed at any moment, on where a run stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drbnet.choices import Autocast, Device
from drbnet.deblur import main
from drbnet.deblur_job import RECORD, Job, Outcome, Task, Views, plan, run
from drbnet.deblurring import GAP, Deblurrer, Output, deblur_picture
from drbnet.models.drbnet import Architecture, DRBNet, Scales, Terms
from drbnet.photographs import Format
from drbnet.tiling import MARGIN, SMALLEST, TAPER
from lfsynth.errors import InputError
from lfsynth.pictures import read, write
from lfsynth.transfer import LINEAR

CODES = np.arange(40 * 24 * 3, dtype=np.float32).reshape(40, 24, 3) / (40 * 24 * 3)


class Inverting(nn.Module):
    def forward(self, *views: Tensor) -> Tensor:
        return -views[0]


class Slow(Inverting):
    def forward(self, *views: Tensor) -> Tensor:
        time.sleep(0.02)
        return super().forward(*views)


def deblurrer(network: nn.Module | None = None) -> Deblurrer:
    architecture = Architecture(False, 7, Terms(), Scales.FOUR)
    return Deblurrer(network or Inverting(), architecture, "a digest", torch.device("cpu"))


def picture(path: Path, shift: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, (CODES + np.float32(shift)).astype(np.float32) / 2, transfer=LINEAR)
    return path


def done(job: Job, tasks: Sequence[Task]) -> list[Outcome]:
    return run(job, tasks, report=lambda outcome: None)


def whole(source: Path, target: Path) -> bool:
    return bool((read(target) == 255 - read(source)).all())


def names(folder: Path) -> list[str]:
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != RECORD
    )


# what becomes of which file


def test_files_go_beside_their_sources(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.PNG")
    [task] = plan([str(source)], out=None)
    assert task == Task((source,), tmp_path / "a_deblurred.PNG")
    [task] = plan([str(source)], out=None, form=Format.JPEG)
    assert task.target == tmp_path / "a_deblurred.jpg"


def test_a_single_file_to_a_name_or_a_folder(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    assert plan([str(source)], out=tmp_path / "b.tif")[0].target == tmp_path / "b.tif"
    assert plan([str(source)], out=tmp_path / "b")[0].target == tmp_path / "b" / "a.png"


def test_folders_with_all_below_but_hidden_files_and_results(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in (
        "a.png",
        "b/c.tif",
        "b/c_deblurred.tif",
        "b/c_compare.png",
        ".d/e.png",
        ".f.png",
        "b/lone_deblurred.png",
    ):
        picture(root / name)
    (root / "text.txt").write_text("no picture")
    tasks = plan([str(root)], out=None)
    assert {task.target.relative_to(tmp_path).as_posix() for task in tasks} == {
        "in_deblurred/a.png",
        "in_deblurred/b/c.tif",
        "in_deblurred/b/c_compare.png",
        "in_deblurred/b/lone_deblurred.png",
    }
    inside = plan([str(root)], out=root / "out")
    done(Job(deblurrer()), inside)
    assert plan([str(root)], out=root / "out") == inside, "results are no sources"


def test_patterns(tmp_path: Path) -> None:
    for name in ("a.png", "b/c.png", "b/d.tif"):
        picture(tmp_path / name)
    tasks = plan([str(tmp_path / "**" / "*.png"), str(tmp_path / "a.png")], out=None)
    assert [task.target.name for task in tasks] == ["a_deblurred.png", "c_deblurred.png"]


def test_raw_becomes_tiff_and_avi_matroska(tmp_path: Path) -> None:
    for name in ("a.NEF", "b.avi", "c.mov"):
        (tmp_path / name).touch()
    assert [task.target.name for task in plan([str(tmp_path)], out=tmp_path / "o")] == [
        "a.tif",
        "b.mkv",
        "c.mov",
    ]


def test_views_of_a_dual_pixel_sensor(tmp_path: Path) -> None:
    for name in ("c/1.png", "r/1_R.png", "l/1.png"):
        picture(tmp_path / name)
    views = Views(tmp_path / "r", tmp_path / "l")
    [task] = plan([str(tmp_path / "c")], out=tmp_path / "o", views=views)
    assert task.sources == (tmp_path / "c/1.png", tmp_path / "r/1_R.png", tmp_path / "l/1.png")
    (tmp_path / "l/1.png").unlink()
    with pytest.raises(InputError, match=r"has no view 1\.png or 1_L\.png in"):
        plan([str(tmp_path / "c")], out=tmp_path / "o", views=views)


@pytest.mark.parametrize(
    ("inputs", "out", "what"),
    [
        (["no.png"], None, "there is no such file"),
        (["*.gif"], None, "there is no such file"),
        (["empty"], None, "holds no picture or video"),
        (["a.png", "x/a.png"], "o", r"a\.png would both become"),
        (["a.png"], "a.png", "would replace the picture itself"),
    ],
)
def test_plans_that_cannot_be(
    inputs: list[str], out: str | None, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    picture(Path("x/a.png"))
    Path("empty").mkdir()
    with pytest.raises(InputError, match=what):
        plan(inputs, out=None if out is None else Path(out))


# one picture


def test_comparison(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    deblur_picture(deblurrer(), [source], tmp_path / "b.png", Output(compare=True))
    before, both = read(source), read(tmp_path / "b_compare.png")
    np.testing.assert_array_equal(both[:, :24], before)
    np.testing.assert_array_equal(both[:, 24 + GAP :], 255 - before)
    assert (both[:, 24 : 24 + GAP] == 255).all()


def test_views_that_do_not_go_together(tmp_path: Path) -> None:
    one, other = picture(tmp_path / "a.png"), tmp_path / "b.png"
    write(other, CODES, bits=16)
    with pytest.raises(InputError, match=r"b\.png: is 24 x 40 of 16 bits, but a\.png is 24 x 40 of 8 bits"):
        deblur_picture(deblurrer(), [one, other, one], tmp_path / "c.png", Output())


def test_tiles_by_memory() -> None:
    plain = deblurrer()
    around = 2 * MARGIN + 2 * TAPER
    assert SMALLEST + around <= plain.tiling().tile <= 1500, "1.4 GiB at most"
    assert replace(plain, memory=1).tiling().tile == SMALLEST + around
    assert replace(plain, tile=512, margin=64).tiling().tile == 512


# many


def test_a_rerun_makes_what_is_missing_or_would_be_another(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "b.png", "c/d.png"):
        picture(root / name)
    tasks = plan([str(root)], out=out)
    job = Job(deblurrer())

    def made(job: Job) -> list[str]:
        return [one.task.target.name for one in done(job, tasks) if one.made]

    assert made(job) == ["a.png", "b.png", "d.png"]
    assert made(job) == []
    (out / "b.png").unlink()
    assert made(job) == ["b.png"]
    picture(root / "a.png", shift=0.1)
    assert made(job) == ["a.png"]
    assert whole(root / "a.png", out / "a.png")
    (out / "c/d.png").write_bytes(b"cut")
    assert made(job) == ["d.png"]
    (out / RECORD).write_text((out / RECORD).read_text()[:-30])  # as a full disk would leave it
    assert made(job) == ["a.png"]
    assert made(job) == []
    assert made(replace(job, output=Output(compare=True))) == ["a.png", "b.png", "d.png"]
    assert made(replace(job, deblurrer=replace(job.deblurrer, digest="another"))) == [
        "a.png",
        "b.png",
        "d.png",
    ]
    assert made(replace(job, again=True)) == ["a.png", "b.png", "d.png"]


def test_bad_files_are_set_aside(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    picture(root / "a.png")
    (root / "b.jpg").write_text("no picture")
    picture(root / "c.png").write_bytes(picture(root / "d.png").read_bytes()[:-20])
    outcomes = done(Job(deblurrer()), plan([str(root)], out=out))
    assert [bool(one.fault) for one in outcomes] == [False, True, True, False]
    assert "b.jpg: it is not a PNG" in outcomes[1].fault
    assert "c.png: it is cut short" in outcomes[2].fault
    assert names(out) == ["a.png", "d.png"]


class Broken(Inverting):
    def forward(self, *views: Tensor) -> Tensor:
        raise RuntimeError("a surprise")


def test_surprises_are_set_aside_but_for_debugging(tmp_path: Path) -> None:
    tasks = plan([str(picture(tmp_path / "a.png"))], out=tmp_path / "o")
    job = Job(deblurrer(Broken()))
    assert "a.png: unexpected RuntimeError: a surprise; run again with --debug" in done(job, tasks)[0].fault
    with pytest.raises(RuntimeError, match="a surprise"):
        done(replace(job, debug=True), tasks)


def test_a_full_disk_stops_the_job(tmp_path: Path) -> None:
    """/dev/full itself cannot be renamed over; that a write fails there is enough."""
    tasks = plan([str(picture(tmp_path / "a.png")), str(picture(tmp_path / "b.png"))], out=tmp_path / "o")

    class Full(Inverting):
        def forward(self, *views: Tensor) -> Tensor:
            try:
                with Path("/dev/full").open("wb", buffering=0) as file:
                    file.write(b"x")
            except OSError as error:
                raise InputError("o", "the disk is full", "free some space") from error
            return super().forward(*views)

    with pytest.raises(InputError, match="the disk is full"):
        done(Job(deblurrer(Full())), tasks)


@pytest.mark.parametrize("delay", [0.03, 0.11, 0.2, 0.27])
def test_killed_at_any_moment(delay: float, tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    sources = [picture(root / f"{k}.png", shift=k / 20) for k in range(12)]
    tasks = plan([str(root)], out=out)
    job = Job(deblurrer(Slow()))
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        done(job, tasks)
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    finished = [source for source in sources if (out / source.name).exists()]
    assert len(finished) < len(sources)
    assert all(whole(source, out / source.name) for source in finished)
    times = {source: (out / source.name).stat().st_mtime_ns for source in finished}
    outcomes = done(job, tasks)
    assert all(not one.fault for one in outcomes)
    assert all(whole(source, out / source.name) for source in sources)
    assert names(out) == sorted(source.name for source in sources), "nothing half written is left"
    # The last one's line may not have been written.
    assert sum((out / source.name).stat().st_mtime_ns != was for source, was in times.items()) <= 1


# the command


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for name, options in (("single", {}), ("dual", {"dual": True})):
        torch.manual_seed(1)
        found[name] = folder / f"{name}.pth"
        torch.save(DRBNet(**options).state_dict(), found[name])  # type: ignore[arg-type]
    return found


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_command(weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    picture(root / "a.png")
    picture(root / "b.png").write_bytes(b"")
    assert command(root, "--weights", weights["single"], "--out", out, "--compare") == 1
    assert names(out) == ["a.png", "a_compare.png"]
    printed = capsys.readouterr()
    assert "a.png (0.0 megapixels in" in printed.out
    assert "1 made, 0 there already, 1 set aside" in printed.out
    assert "set aside: " in printed.err
    assert "b.png: it is empty" in printed.err
    (root / "b.png").unlink()
    assert command(root, "--weights", weights["single"], "--out", out, "--compare") == 0
    assert "is there already" in capsys.readouterr().out


def test_command_with_a_dual_network(weights: dict[str, Path], tmp_path: Path) -> None:
    views = [
        picture(tmp_path / name, shift) for name, shift in (("c.png", 0), ("r.png", 0.1), ("l.png", 0.2))
    ]
    out = tmp_path / "o.png"
    given = ("--weights", weights["dual"], "--out", out)
    assert command(views[0], *given, "--right", views[1], "--left", views[2]) == 0
    [network, _] = [DRBNet(dual=True).eval(), out]
    network.load_state_dict(torch.load(weights["dual"], weights_only=True))
    tensors = [torch.from_numpy(read(v).astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None] for v in views]
    with torch.inference_mode():
        expected = (network(*tensors)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(read(out) - expected).max() < 0.51  # rounding


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["a.png", "--weights", "no.pth"], "no.pth: it cannot be read"),
        (["no.png", "--weights", "{single}"], "no.png: there is no such file"),
        (["a.png", "--weights", "{dual}"], "needs a dual-pixel sensor's views; give --right and --left"),
        (["a.png", "--weights", "{single}", "--right", "a.png"], "--left: is missing; give both views"),
        (
            ["a.png", "--weights", "{single}", "--right", "b.png", "--left", "b.png"],
            "is of a network for single pictures; leave out --right and --left",
        ),
        (
            ["a.png", "--weights", "{single}", "--tile", "100"],
            "--tile: tiles of 100 px|--tile: tile, margin and taper",
        ),
        (["bad.png", "--weights", "{single}"], "bad.png: it is not a PNG"),
    ],
)
def test_command_refuses(
    arguments: list[str],
    what: str,
    weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    picture(Path("b.png"))
    Path("bad.png").write_text("text")
    assert command(*(one.format(**weights) for one in arguments)) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in what.split("|"))
    assert len(error.splitlines()) == 1


def test_loading_for_the_library(weights: dict[str, Path]) -> None:
    loaded = Deblurrer.load(
        weights["dual"], device=Device.CPU, autocast=Autocast.BF16, memory=10**9, margin=64
    )
    assert loaded.architecture.dual
    assert len(loaded.digest) == 64
    assert loaded.tiling().margin == 64

import multiprocessing
import os
import re
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drbnet.augment import NONE, Augmentation, apply, draw
from drbnet.datasets import Pairs, find
from drbnet.patches import PatchDataset, PatchLoader, check_sizes
from drbnet.reading import Bits, read_encoded
from drbnet.sampling import Draws, PatchSampler, generator
from lfsynth.errors import InputError

PATCH = 24
OFTEN = Augmentation(noise=0.5, grey=0.5, scale=0.8)


def write_picture(path: Path, seed: int, size: tuple[int, int] = (40, 52), dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    most = np.iinfo(dtype).max
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, most, (*size, 3), dtype, endpoint=True))


@pytest.fixture
def data(tmp_path: Path) -> Pairs:
    """Seven pairs, of different noise each."""
    for k in range(7):
        write_picture(tmp_path / "input" / f"{k}.png", k)
        write_picture(tmp_path / "target" / f"{k}.png", 100 + k)
    return find(tmp_path)


def loader_of(data: Pairs, *, start=(0, 0), workers=0, batch=2, each=None, **options) -> PatchLoader:
    sampler = PatchSampler(len(data), batch=batch, seed=4)
    sampler.go_to(*start)
    dataset = PatchDataset(data, patch=PATCH, seed=9, augmentation=OFTEN)
    return PatchLoader(dataset, sampler, batch=each or batch, workers=workers, **options)


def test_a_patch_is_that_of_whole_pictures(data):
    (batch,) = list(loader_of(data, start=(3, 3)))
    assert batch["inputs"].shape == (2, 1, 3, PATCH, PATCH)
    assert batch["inputs"].dtype == batch["target"].dtype == torch.float32
    for row, index in enumerate(batch["index"].tolist()):
        pair = data.pairs[index % 7]
        rng = generator(Draws.PATCH, 9, 3, index)
        drawn = draw(rng, OFTEN, (40, 52), PATCH)
        (patch,), sharp = apply(
            rng, drawn, [read_encoded(pair.inputs[0])[drawn.region]], read_encoded(pair.target)[drawn.region]
        )
        for made, expected in ((batch["inputs"][row, 0], patch), (batch["target"][row], sharp)):
            np.testing.assert_array_equal(made.numpy(), expected.transpose(2, 0, 1) * 2 - 1)
            assert made.abs().max() <= 1


def test_batches_are_the_same_for_any_number_of_workers_and_any_start(data):
    runs = {}
    for workers in (0, 1, 2):
        loader = loader_of(data, workers=workers)
        runs[workers] = [list(loader)]
        loader.sampler.go_to(1)
        runs[workers].append(list(loader))
    for workers in (1, 2):
        for one, other in zip(runs[0], runs[workers], strict=True):
            assert len(one) == len(other) == 4
            for batch, same in zip(one, other, strict=True):
                assert all(torch.equal(batch[name], same[name]) for name in ("inputs", "target", "index"))
    later = list(loader_of(data, start=(1, 2), workers=2))
    assert [torch.equal(a["inputs"], b["inputs"]) for a, b in zip(later, runs[0][1][2:], strict=True)] == [
        True
    ] * 2
    assert not torch.equal(runs[0][0][0]["inputs"], runs[0][1][0]["inputs"])


def test_an_epoch_that_is_left_leaves_nothing_behind(data):
    whole = list(loader_of(data, start=(1, 0)))
    loader = loader_of(data, workers=2)
    next(iter(loader))
    loader.sampler.go_to(1)
    again = list(loader)
    assert [torch.equal(a["inputs"], b["inputs"]) for a, b in zip(whole, again, strict=True)] == [True] * 4


def test_parts_of_a_step(data):
    whole = list(loader_of(data, batch=4))
    parts = list(loader_of(data, batch=4, each=2))
    assert len(parts) == 2 * len(whole)
    assert torch.equal(torch.cat([part["target"] for part in parts[:2]]), whole[0]["target"])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_random_numbers_are_left_alone(data, workers):
    before = torch.get_rng_state()
    list(loader_of(data, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_three_views_share_their_place(tmp_path):
    for view in "crl":
        write_picture(tmp_path / f"train_{view}/source/1.png", 0, dtype=np.uint16)
    write_picture(tmp_path / "train_c/target/1.png", 0, dtype=np.uint16)
    pairs = find(tmp_path, dual=True)
    for bits, steps in ((Bits.TRUNCATED, 255), (Bits.ALL, 65535)):
        dataset = PatchDataset(pairs, patch=PATCH, augmentation=NONE, bits=bits)
        (batch,) = list(PatchLoader(dataset, PatchSampler(1, batch=1), batch=1, workers=0))
        assert batch["inputs"].shape == (1, 3, 3, PATCH, PATCH)
        assert all(torch.equal(view, batch["target"][0]) for view in batch["inputs"][0])
        codes = (batch["target"].double() + 1) / 2 * steps
        # float32 in [-1, 1] is good to 6e-8, which is 0.004 of a step of 65535.
        assert (codes - codes.round()).abs().max() < 0.01


def test_a_damaged_picture_is_replaced_and_told_once(data, tmp_path):
    broken = tmp_path / "input" / "3.png"
    broken.write_bytes(broken.read_bytes()[:-100])
    runs = []
    for workers in (0, 2):
        loader = loader_of(data, workers=workers)
        batches = list(loader)
        assert [line for batch in batches for line in batch["skipped"]] == [
            f"{broken}: it is cut short; copy or export it again"
        ]
        assert list(loader.damaged) == ["input/3.png"]
        loader.sampler.go_to(1)
        assert [batch["skipped"] for batch in loader] == [[]] * 4
        runs.append(batches)
    assert all(torch.equal(a["inputs"], b["inputs"]) for a, b in zip(*runs, strict=True))
    broken.unlink()
    again = list(loader_of(data))
    assert all(torch.equal(a["inputs"], b["inputs"]) for a, b in zip(runs[0], again, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_damaged_pictures_end_the_training(data, tmp_path, workers):
    for k in (1, 2, 5):
        (tmp_path / "target" / f"{k}.png").write_bytes(b"")
    seen = [line for batch in loader_of(data, workers=workers, skip_limit=3) for line in batch["skipped"]]
    assert len(seen) == 3
    loader = loader_of(data, workers=workers, skip_limit=2)
    before = multiprocessing.active_children()
    with pytest.raises(InputError) as caught:
        list(loader)
    assert multiprocessing.active_children() == before
    with pytest.raises(ValueError, match="the loader is closed"):
        len(loader)
    last = str(caught.value).split(":")[0]
    assert str(caught.value) == (
        f"{last}: {tmp_path}/target/{Path(last).name}: it is empty; copy or export it again; it is the last of 3 "
        "damaged pairs; check the disk, or name them in an exclude list"
    )


def test_all_damaged(data, tmp_path):
    for path in (tmp_path / "input").iterdir():
        path.unlink()
    with pytest.raises(
        InputError, match=r"there is no such file; .* it is the last of \d damaged pairs; check the"
    ):
        list(loader_of(data, skip_limit=100))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "target/3.png",
            (40, 51),
            "ROOT/target/3.png: is 40 x 51 pixels, its partner ROOT/input/3.png 40 x 52; replace one, or name the pair "
            "in an exclude list",
        ),
        (
            "input/3.png",
            (23, 52),
            "ROOT/input/3.png: is 23 x 52 pixels, smaller than a patch of 24; train with patches of at most 23, or "
            "name it in an exclude list",
        ),
    ],
)
def test_sizes_that_do_not_fit(data, tmp_path, name, size, message, workers):
    write_picture(tmp_path / name, 0, size)
    for job in (lambda: list(loader_of(data, workers=workers)), lambda: check_sizes(data, PATCH)):
        with pytest.raises(InputError) as caught:
            job()
        assert str(caught.value) == message.replace("ROOT", str(tmp_path))


def test_sizes_that_fit(data, tmp_path):
    check_sizes(data, 40)
    (tmp_path / "input/3.png").unlink()
    with pytest.raises(InputError, match="it cannot be read"):
        check_sizes(data, 40)


def test_pictures_of_other_formats(tmp_path):
    write_picture(tmp_path / "input/1.tif", 0)
    write_picture(tmp_path / "target/1.png", 0)
    pairs = find(tmp_path)
    check_sizes(pairs, PATCH)
    dataset = PatchDataset(pairs, patch=PATCH, augmentation=NONE)
    (batch,) = list(PatchLoader(dataset, PatchSampler(1, batch=1), batch=1, workers=0))
    assert torch.equal(batch["inputs"][:, 0], batch["target"])
    (tmp_path / "input/1.tif").unlink()
    write_picture(tmp_path / "input/1.tif", 0, (30, 52))
    with pytest.raises(InputError, match=r"its partner .*1.tif 30 x 52"):
        list(PatchLoader(dataset, PatchSampler(1, batch=1), batch=1, workers=0))


def test_pictures_without_targets(tmp_path):
    write_picture(tmp_path / "1.png", 0)
    with pytest.raises(InputError) as caught:
        PatchDataset(find(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: has no targets (cuhk), so that nothing can be learned from it; train on another dataset; this "
        "one is for evaluation"
    )


def worker_of(loader: PatchLoader) -> multiprocessing.Process:
    """The one worker of a loader that has just begun, of all that are there."""
    return max(multiprocessing.active_children(), key=lambda child: child.pid)


def test_workers_survive_what_the_loop_is_told(data):
    """Signals to the whole group must not end the workers before the loop has saved; another process sends them."""
    loader = loader_of(data, workers=1, batch=1)
    batches = iter(loader)
    next(batches)
    worker = worker_of(loader)
    for name in ("INT", "TERM"):
        subprocess.run(["/bin/sh", "-c", f"kill -{name} {worker.pid}"], check=True)
    assert len(list(batches)) == 6
    assert worker.is_alive()


def test_no_thread_of_a_worker_takes_sigterm(data):
    """A library's threads are there before any code of ours, and would end the worker."""
    loader = loader_of(data, workers=1, batch=1)
    next(iter(loader))
    tasks = list(Path(f"/proc/{worker_of(loader).pid}/task").iterdir())
    masks = [
        int(re.search(r"^SigBlk:\s*(\w+)", (task / "status").read_text(), re.MULTILINE)[1], 16)
        for task in tasks
    ]
    waiting = 1  # for the parent's; it has taken the signal out of its mask while it waits
    taken = [mask for mask in masks if not mask >> (signal.SIGTERM - 1) & 1]
    assert len(masks) > 1
    assert len(taken) <= waiting
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_workers_end_when_their_parent_wants_it(data):
    loader = loader_of(data, workers=1, batch=1)
    batches = iter(loader)
    next(batches)
    worker = worker_of(loader)
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(30)
    assert worker.exitcode == 0


def test_a_worker_that_is_killed(data):
    loader = loader_of(data, workers=1, batch=1)
    batches = iter(loader)
    next(batches)
    os.kill(worker_of(loader).pid, signal.SIGKILL)
    with pytest.raises(
        InputError, match=r"workers: a process that reads the pictures has ended \(.*\); take fewer"
    ):
        list(batches)

"""Defocus maps: found beside the inputs, read, and cut with their pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drbnet.augment import NONE, Augmentation
from drbnet.datasets import Pairs, find
from drbnet.defocus import read_map, with_maps
from drbnet.patches import PatchDataset, PatchLoader, check_sizes
from drbnet.reading import Bits
from drbnet.sampling import PatchSampler
from lfsynth.errors import InputError
from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

HEIGHT, WIDTH = 60, 80
LARGEST = 10.0
"""px, radius of the circle of confusion at the right and lower end of the maps."""


def ramps() -> np.ndarray:
    """Red grows to the right, green downwards, from 0 to 1."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    picture[..., 0] = np.linspace(0, 1, WIDTH)
    picture[..., 1] = np.linspace(0, 1, HEIGHT)[:, None]
    return picture


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    """Two pairs whose maps are the mean of their red and green."""
    folder = tmp_path / "train_data"
    for name in ("input/a", "defocus/a", "ground_truth"):
        (folder / name).mkdir(parents=True)
    picture = ramps()
    radius = picture[..., :2].mean(2, keepdims=True) * LARGEST
    write(folder / "ground_truth/a.png", picture, bits=16, transfer=LINEAR)
    for number in (0, 1):
        write(folder / f"input/a/a_ap1_0{number}.png", picture, bits=16, transfer=LINEAR)
        path = folder / f"defocus/a/a_ap1_0{number}.png"
        write(path, (radius * 256 / 65535).astype(np.float32), bits=16, transfer=LINEAR)
    return find(tmp_path)


def test_maps_are_found_beside_the_inputs(pairs: Pairs, tmp_path: Path) -> None:
    assert [pair.defocus for pair in pairs.pairs] == [None, None]
    found = [pair.defocus for pair in with_maps(pairs).pairs]
    assert found == [tmp_path / f"train_data/defocus/a/a_ap1_0{number}.png" for number in (0, 1)]


def test_a_missing_map_is_named(pairs: Pairs, tmp_path: Path) -> None:
    (tmp_path / "train_data/defocus/a/a_ap1_01.png").unlink()
    with pytest.raises(InputError, match=r"a_ap1_01\.png: has no defocus map, which .* --defocus-maps, or"):
        with_maps(pairs)


def test_pairs_of_a_dataset_without_light_fields_have_no_map(pairs: Pairs, tmp_path: Path) -> None:
    elsewhere = tuple(replace(pair, inputs=(tmp_path / "source/1.png",)) for pair in pairs.pairs)
    with pytest.raises(InputError, match=r"source/1\.png: has no defocus map"):
        with_maps(replace(pairs, pairs=elsewhere))


def test_a_map_is_in_diameters_of_28_px(pairs: Pairs) -> None:
    [first, _] = with_maps(pairs).pairs
    assert first.defocus is not None
    found = read_map(first.defocus)
    truth = ramps()[..., :2].mean(2, keepdims=True) * LARGEST * 2 / 28
    assert found.shape == (HEIGHT, WIDTH, 1)
    np.testing.assert_allclose(found, truth, rtol=0, atol=0.51 * 2 / (256 * 28))  # half a code
    part = read_map(first.defocus, lambda height, width: (slice(5, 9), slice(width - 3, width)))
    np.testing.assert_array_equal(part, found[5:9, -3:])


def test_what_is_no_map_is_refused(pairs: Pairs) -> None:
    with pytest.raises(InputError, match="is no grey picture of 16 bits; generate the defocus maps again"):
        read_map(pairs.pairs[0].inputs[0])


def test_a_map_of_another_size_is_refused(pairs: Pairs) -> None:
    found = with_maps(pairs)
    assert found.pairs[1].defocus is not None
    write(found.pairs[1].defocus, np.zeros((HEIGHT, WIDTH - 1, 1), np.float32), bits=16, transfer=LINEAR)
    with pytest.raises(
        InputError, match=r"defocus/a/a_ap1_01\.png: is 60 x 79 pixels, its partner .* 60 x 80"
    ):
        check_sizes(found, 32)


@pytest.mark.parametrize(
    "augmentation",
    [
        NONE,
        Augmentation(noise=0, grey=0, scale=1, scale_factor=(0.6, 0.9)),
        Augmentation(noise=1, grey=1, scale=1),
    ],
    ids=["crop", "scale", "all"],
)
def test_maps_are_cut_and_scaled_with_their_pairs(augmentation: Augmentation, pairs: Pairs) -> None:
    own = {"patch": 32, "seed": 3, "bits": Bits.ALL}
    dataset = PatchDataset(with_maps(pairs), augmentation=augmentation, **own)
    plain = PatchDataset(pairs, augmentation=replace(augmentation, grey=0, noise=0), **own)
    factors = set()
    for epoch in range(4):
        made, other = dataset[epoch, 0], plain[epoch, 0]
        assert made.defocus is not None
        assert other.target is not None
        assert made.defocus.shape == (1, 32, 32)
        assert other.defocus is None
        # The target without grey tells where the patch lies, and by its slope, how much smaller it was made.
        red, green, _ = (other.target.astype(np.float64) + 1) / 2
        factor = 1 / ((red[0, -1] - red[0, 0]) * (WIDTH - 1) / 31)
        truth = (red + green) / 2 * LARGEST * 2 / 28 * factor
        # Half a code of the map is 0.00014; where a picture is made smaller, its sides are rounded to whole pixels,
        # and so differ in their factors by half of one of 36 at most.
        rounding = 0 if augmentation is NONE else 0.014
        np.testing.assert_allclose(made.defocus[0], truth, rtol=rounding, atol=2e-4)
        factors.add(round(factor, 2))
    assert (len(factors) > 1) == (augmentation is not NONE)


def test_a_circle_wider_than_28_px_is_1(pairs: Pairs) -> None:
    found = with_maps(pairs)
    for pair in found.pairs:
        assert pair.defocus is not None
        write(
            pair.defocus, np.full((HEIGHT, WIDTH, 1), 15 * 256 / 65535, np.float32), bits=16, transfer=LINEAR
        )
    made = PatchDataset(found, patch=32, augmentation=NONE)[0, 0]
    assert made.defocus is not None
    assert (made.defocus == 1).all()


@pytest.mark.parametrize("maps", [lambda found: found, with_maps], ids=["without", "with"])
def test_batches_hold_maps_where_there_are_some(maps: Callable[[Pairs], Pairs], pairs: Pairs) -> None:
    dataset = PatchDataset(maps(pairs), patch=32)
    loader = PatchLoader(dataset, PatchSampler(2, batch=2), batch=2, workers=0)
    [batch] = loader
    if maps is with_maps:
        assert batch["defocus"] is not None
        assert tuple(batch["defocus"].shape) == (2, 1, 32, 32)
    else:
        assert batch["defocus"] is None

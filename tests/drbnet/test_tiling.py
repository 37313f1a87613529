"""Tiled and whole results, and how a picture is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drbnet.choices import Autocast
from drbnet.models.drbnet import DRBNet
from drbnet.tiling import LARGEST, MARGIN, SMALLEST, TAPER, Codes, Tiling, spans, whole_or_tiled
from lfsynth.errors import InputError


class Far(nn.Module):
    """Cheap, and as DRBNet looks MARGIN px far, on grids of 8, sees the edge and lets no pixel be ignored."""

    def forward(self, image: Tensor, *others: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = nn.functional.pad(image, (0, -width % 8, 0, -height % 8), mode="replicate")
        coarse = nn.functional.avg_pool2d(padded, 8)
        blurred = nn.functional.avg_pool2d(coarse, 2 * (MARGIN // 8 - 1) + 1, 1, MARGIN // 8 - 1)
        wide = nn.functional.interpolate(blurred, scale_factor=8.0, mode="nearest")[..., :height, :width]
        sharper = image + 20 * wide + sum(others)
        return torch.as_tensor(sharper).clamp(-1, 1)


class Identity(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image


def picture(height: int, width: int, *, bits: int = 16, seed: int = 0) -> Codes:
    rng = np.random.default_rng(seed)
    codes: Codes = rng.integers(0, 2**bits, (height, width, 3)).astype(np.uint8 if bits == 8 else np.uint16)
    return codes


def furthest(one: Codes, other: Codes) -> float:
    """Largest difference as a share of white."""
    return float(np.abs(one.astype(float) - other).max() / np.iinfo(one.dtype).max)


def visible_network(*, seed: int = 0, dual: bool = False) -> DRBNet:
    """Random weights whose output differs from the input by several codes everywhere and does not clip much."""
    torch.manual_seed(seed)
    network = DRBNet(dual=dual).eval()
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if "conv" in name and name.endswith("weight") and weights.ndim == 4:
                weights *= 1.5
    return network


def test_reach_of_the_network_is_the_margin() -> None:
    """Weights of one sign in float64: nothing cancels, and nothing is too small to be seen."""
    network = DRBNet().double().eval()
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(weights.abs() if weights.ndim > 1 else torch.zeros_like(weights))
    side, reach = 304, 0
    plain = torch.zeros(1, 3, side, side, dtype=torch.float64)
    # The reach is longest from these two of the grid's eight phases, downward and upward.
    for at in (147, 148):
        spot = plain.clone()
        spot[:, :, at, 0] = 1.0
        with torch.inference_mode():
            seen = network.scales(spot[..., :8])[-1].abs().amax((0, 1, 3)).nonzero()
        reach = max(reach, at - int(seen.min()), int(seen.max()) - at)
    assert reach == MARGIN - 1


@pytest.mark.parametrize("length", [1, 97, 336, 337, 343, 500, 1000, 1001, 3000])
@pytest.mark.parametrize(("margin", "taper"), [(144, 16), (64, 8), (0, 16), (16, 0)])
def test_spans_cover_an_axis_once_and_meet_on_the_grid(length: int, margin: int, taper: int) -> None:
    tiling = Tiling(2 * (margin + taper) + 16, margin, taper)
    found = spans(length, tiling)
    total = np.zeros(length)
    for span in found:
        total[span.first : span.last] += span.weights
        assert span.start % 8 == 0
        assert span.stop % 8 == 0 or span.stop == length
        assert span.stop - span.start <= tiling.tile
        assert span.first == 0 or span.first - span.start == margin
        assert span.last == length or span.stop - span.last == margin
    np.testing.assert_allclose(total, 1, atol=1e-7)


def test_an_axis_is_cut_into_as_few_tiles_as_there_can_be() -> None:
    tiling = Tiling(1000)
    middle = 1000 - tiling.overlap
    assert len(spans(1000, tiling)) == 1
    assert len(spans(1001, tiling)) == 2
    assert len(spans(1000 + middle, tiling)) == 2
    assert len(spans(1001 + middle, tiling)) == 3


@pytest.mark.parametrize(
    ("tile", "margin", "taper"), [(1001, 144, 16), (1000, 4, 16), (1000, 144, -8), (320, 144, 16)]
)
def test_a_tiling_that_cannot_be(tile: int, margin: int, taper: int) -> None:
    with pytest.raises(ValueError, match=r"multiples of 8|no middle"):
        Tiling(tile, margin, taper)


def test_tiles_by_memory() -> None:
    around = 2 * MARGIN + 2 * TAPER
    assert Tiling.of_memory(0, 700).tile == SMALLEST + around
    assert Tiling.of_memory(10**13, 700).tile == LARGEST + around
    chosen = Tiling.of_memory(10**9, 700)
    assert 0.95e9 < 700 * chosen.tile**2 <= 1e9


@pytest.mark.parametrize("seed", range(10))
def test_tiled_is_whole_for_a_far_looking_network(seed: int) -> None:
    """Only the rounding of sums differs: 1e-4 of white is 6 of 65535 codes, for the network multiplies them by 20."""
    rng = np.random.default_rng(seed)
    given = picture(int(rng.integers(97, 1200)), int(rng.integers(131, 1200)), seed=seed)
    tiling = Tiling(8 * int(rng.integers(60, 90)))
    whole = whole_or_tiled(Far(), [given], Tiling(1208))
    assert np.ptp(whole.astype(int)) > 10_000
    assert furthest(whole_or_tiled(Far(), [given], tiling), whole) < 1e-4


def test_a_smaller_margin_would_be_seen() -> None:
    """The network of these tests does look so far that they can fail."""
    given = picture(700, 60)
    whole = whole_or_tiled(Far(), [given], Tiling(704))
    assert furthest(whole_or_tiled(Far(), [given], Tiling(384, 96)), whole) > 1 / 255


@pytest.mark.parametrize("bits", [8, 16])
def test_tiled_drbnet_is_whole_drbnet(bits: int) -> None:
    given = picture(24, 431, bits=bits)
    network = visible_network()
    whole = whole_or_tiled(network, [given], Tiling(432))
    assert furthest(given, whole) > 0.05, "the network has to do something"
    # Codes may be rounded the other way where sums differ in their last bits.
    assert furthest(whole_or_tiled(network, [given], Tiling(368)), whole) <= 1 / (2**bits - 1)


def test_dual_views_are_cut_alike() -> None:
    views = [picture(340, 60, seed=seed) for seed in range(3)]
    whole = whole_or_tiled(Far(), views, Tiling(344))
    assert furthest(whole_or_tiled(Far(), views, Tiling(328)), whole) < 1e-4


@pytest.mark.parametrize("bits", [8, 16])
def test_every_code_goes_through_unchanged(bits: int) -> None:
    codes = np.arange(2**bits).astype(np.uint8 if bits == 8 else np.uint16).reshape(-1, 2**bits // 64, 1)
    given = np.repeat(codes, 3, axis=2)
    result = whole_or_tiled(Identity(), [given], Tiling(48, 8, 8))
    assert result.dtype == given.dtype
    np.testing.assert_array_equal(result, given)


def test_half_precision_is_near() -> None:
    given = picture(16, 24, bits=8)
    network = visible_network()
    plain = whole_or_tiled(network, [given], Tiling(336))
    half = whole_or_tiled(network, [given], Tiling(336), autocast=Autocast.BF16)
    difference = np.abs(half.astype(int) - plain)
    # 8 bits of mantissa in kernels and residuals, of which some codes' worth comes
    assert difference.max() > 0
    assert difference.mean() < 1


def test_progress_rises_to_all() -> None:
    told: list[tuple[int, int]] = []
    whole_or_tiled(Identity(), [picture(100, 90)], Tiling(48, 8, 8), progress=lambda *now: told.append(now))
    done = [now for now, _ in told]
    assert done == sorted(done)
    assert done[-1] == 9000
    assert {total for _, total in told} == {9000}


def test_less_memory_than_thought_makes_smaller_tiles() -> None:
    class Full(Identity):
        def forward(self, image: Tensor) -> Tensor:
            if max(image.shape[2:]) > 500:
                raise torch.OutOfMemoryError
            return image

    given = picture(700, 90)
    np.testing.assert_array_equal(whole_or_tiled(Full(), [given], Tiling(704)), given)


def test_no_memory_at_all() -> None:
    class Full(Identity):
        def forward(self, image: Tensor) -> Tensor:
            raise torch.OutOfMemoryError

    with pytest.raises(InputError, match="too little free memory"):
        whole_or_tiled(Full(), [picture(9, 9)], Tiling(704))


def test_no_numbers_are_refused() -> None:
    class Broken(Identity):
        def forward(self, image: Tensor) -> Tensor:
            return image / 0 * 0

    with pytest.raises(InputError, match="no numbers; check the weights"):
        whole_or_tiled(Broken(), [picture(9, 9)], Tiling(328))


@pytest.mark.parametrize(
    "views",
    [
        [np.zeros((8, 8, 3), np.float32)],
        [np.zeros((8, 8, 1), np.uint8)],
        [np.zeros((0, 8, 3), np.uint8)],
        [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)],
    ],
)
def test_views_that_cannot_be(views: list[Codes]) -> None:
    with pytest.raises(TypeError, match=r"a view must be|views differ"):
        whole_or_tiled(Identity(), views, Tiling(328))

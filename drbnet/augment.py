"""Augmentation of a pair for training: noise, grey, scale, then a random crop.

Pictures are (H, W, 3) float32 in [0, 1], sRGB-encoded values as stored. What is drawn depends on the generator
alone, and never on the pixels, so that a patch can be drawn before its picture is read: `draw` says which region
of the pictures a patch needs, `apply` makes the patch from that region. The patch is the one that would be cropped
from the whole picture after noise, grey and scale.

L. Ruan et al., "Learning to deblur using light field generated and real defocus images", CVPR 2022,
doi:10.1109/CVPR52688.2022.01582, name noise, grey conversion and scaling; probabilities and ranges are those of
J. Lee et al., "Iterative filter adaptive network for single image defocus deblurring", CVPR 2021,
doi:10.1109/CVPR46437.2021.00207, which augments in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of encoded R, G, B; ITU-R BT.601, section 2.5.1


@dataclass(frozen=True)
class Augmentation:
    """How often, and how much.

    Attributes
    ----------
    noise : probability of Gaussian noise, on the inputs alone
    noise_sigma : least and largest standard deviation, of [0, 1], drawn uniformly
    grey : probability that inputs and target are turned to grey
    scale : probability that inputs and target are scaled down
    scale_factor : least and largest factor, drawn uniformly; at most 1. A factor that would make the picture
        smaller than the patch is not drawn.
    """

    noise: float = 0.05
    noise_sigma: tuple[float, float] = (0.001, math.sqrt(0.005))
    grey: float = 0.3
    scale: float = 0.5
    scale_factor: tuple[float, float] = (0.7, 1.0)

    def __post_init__(self) -> None:
        for name in ("noise", "grey", "scale"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, from 0 to 1, not {getattr(self, name)}")
        if not 0 <= self.noise_sigma[0] <= self.noise_sigma[1] <= 1:
            raise ValueError(
                f"noise_sigma must be two numbers from 0 to 1, ascending, not {self.noise_sigma}"
            )
        if not 0 < self.scale_factor[0] <= self.scale_factor[1] <= 1:
            raise ValueError(
                f"scale_factor must be two numbers above 0, to 1, ascending, not {self.scale_factor}"
            )


NONE = Augmentation(noise=0, grey=0, scale=0)
"""A random crop alone."""


@dataclass(frozen=True)
class Axis:
    """Where a patch lies along one axis of its picture.

    Attributes
    ----------
    size : of the picture, px
    scaled : of the picture after scaling, px
    start : of the patch in the scaled picture
    patch : its size, px
    """

    size: int
    scaled: int
    start: int
    patch: int

    @property
    def region(self) -> slice:
        """The part of the picture that the patch needs, px."""
        end = -(-(self.start + self.patch) * self.size // self.scaled)
        return slice(self.start * self.size // self.scaled, end)


@dataclass(frozen=True)
class Draw:
    """What is done to one pair.

    Attributes
    ----------
    sigma : standard deviation of the noise; 0: none
    grey : whether the pictures are turned to grey
    y, x : where the patch lies
    """

    sigma: float
    grey: bool
    y: Axis
    x: Axis

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the pictures that the patch needs."""
        return self.y.region, self.x.region


def draw(
    rng: np.random.Generator, augmentation: Augmentation, size: tuple[int, int], patch: int | tuple[int, int]
) -> Draw:
    """Draw what is done to a pair.

    Parameters
    ----------
    rng : whose state alone decides
    augmentation : how often, and how much
    size : height and width of the pictures, px
    patch : side of the patch, or its height and width, px

    Raises
    ------
    ValueError
        If the patch is larger than the pictures.
    """
    sides = (patch, patch) if isinstance(patch, int) else patch
    if sides[0] > size[0] or sides[1] > size[1] or min(sides) < 1:
        raise ValueError(f"a patch of {sides[0]} x {sides[1]} does not fit in {size[0]} x {size[1]}")
    # As many numbers are drawn whatever is done, so that one option's change leaves the rest of a patch as it was.
    noise, sigma, grey, scale, factor, y, x = rng.random(7).tolist()
    low, high = augmentation.scale_factor
    least = max(side / whole for side, whole in zip(sides, size, strict=True))
    drawn = (
        max(low, least) + (max(high, least) - max(low, least)) * factor if scale < augmentation.scale else 1.0
    )
    axes = []
    for side, whole, place in zip(sides, size, (y, x), strict=True):
        scaled = max(side, round(whole * drawn))
        axes.append(Axis(whole, scaled, int(place * (scaled - side + 1)), side))
    least_sigma, most_sigma = augmentation.noise_sigma
    return Draw(
        sigma=least_sigma + (most_sigma - least_sigma) * sigma if noise < augmentation.noise else 0.0,
        grey=grey < augmentation.grey,
        y=axes[0],
        x=axes[1],
    )


def apply(
    rng: np.random.Generator,
    drawn: Draw,
    inputs: Sequence[NDArray[np.float32]],
    target: NDArray[np.float32],
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Patches of inputs and target.

    Parameters
    ----------
    rng : the generator that `draw` has used, for the noise
    drawn : what is done
    inputs : the drawn region of each view, (h, w, 3) float32 in [0, 1]
    target : that of the target

    Returns
    -------
    patches of the inputs and of the target, (patch, patch, 3) float32 in [0, 1]
    """
    noisy = [_with_noise(rng, view, drawn.sigma) if drawn.sigma else view for view in inputs]
    patches = [_scaled(_grey(view) if drawn.grey else view, drawn) for view in (*noisy, target)]
    return patches[:-1], patches[-1]


def apply_to_lengths(drawn: Draw, lengths: NDArray[np.float32]) -> NDArray[np.float32]:
    """The patch of a map of lengths in the picture's pixels, which shrink with it; colours are nothing to it.

    lengths : its drawn region, (h, w, 1) float32
    """
    return _scaled(lengths, drawn) * np.float32(drawn.y.scaled / drawn.y.size)


def _with_noise(rng: np.random.Generator, view: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    noisy = rng.standard_normal(view.shape, np.float32) * np.float32(sigma)
    noisy += view
    return np.clip(noisy, 0, 1, out=noisy)


def _grey(view: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat((view @ _LUMA)[:, :, None], 3, axis=2)


def _scaled(region: NDArray[np.float32], drawn: Draw) -> NDArray[np.float32]:
    if drawn.y.size == drawn.y.scaled and drawn.x.size == drawn.x.scaled:
        return region
    channels = region.shape[2]
    rows = _area_means(region.reshape(region.shape[0], -1), drawn.y)
    columns = np.ascontiguousarray(rows.reshape(drawn.y.patch, -1, channels).transpose(1, 0, 2))
    means = _area_means(columns.reshape(columns.shape[0], -1), drawn.x)
    return means.reshape(drawn.x.patch, drawn.y.patch, channels).transpose(1, 0, 2)


def _area_means(lines: NDArray[np.float32], axis: Axis) -> NDArray[np.float32]:
    """Means over the stretches of lines that the patch's pixels cover, each line by the share that is covered."""
    edges = np.arange(axis.start, axis.start + axis.patch + 1) * (axis.size / axis.scaled) - axis.region.start
    edges = edges.clip(0)  # which rounding can leave just below
    low, high = edges[:-1], edges[1:]
    first = np.floor(low).astype(np.intp)
    taps = math.ceil(axis.size / axis.scaled) + 1
    covered = first[:, None] + np.arange(taps)
    share = np.minimum(high[:, None], covered + 1) - np.maximum(low[:, None], covered)
    share = (share.clip(0) / (high - low)[:, None]).astype(np.float32)
    starts = np.arange(0, share.size + 1, taps)
    within = np.minimum(covered, lines.shape[0] - 1)  # beyond it the share is 0
    weights = csr_array((share.ravel(), within.ravel(), starts), shape=(axis.patch, lines.shape[0]))
    return np.asarray(weights @ lines)

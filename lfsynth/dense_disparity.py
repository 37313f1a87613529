"""The centre view's disparity as the other views have it, and where they contradict it.

A map of the centre view is moved to each view; gaps, where the view sees what the centre view does not, belong to what
lies behind. A pixel that both see must look alike in both: in blocks of `BLOCK` x `BLOCK` px it may lie beyond what the
centre view shows within a pixel of that place by as much as noise allows. Blocks in which it lies farther, and those
beside them, are doubted: their disparity is wrong, as on strands that a search misses, or they hold an edge of
two disparities. What is smooth passes with any disparity; there a wrong one does no harm.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.dense_disparity_kernels import BLOCK, misfit, move_disparity
from lfsynth.lightfield import LightField
from lfsynth.noise import estimate_noise, variance_coefficients
from lfsynth.refocus import refocus

_MISFIT = 2.5
"""Root mean square in a block, in standard deviations of the noise, beyond which its disparity is doubted."""

_LEAST_SIGMA = 0.005
"""Of white, the least deviation that counts as noise: interpolation errs by as much at sharp detail."""


def seen_by_views(
    lightfield: LightField, disparity: NDArray[np.float32], used: NDArray[np.int64], *, threads: int
) -> tuple[NDArray[np.float32], LightField]:
    """Disparity of the pixels of some views, and which of it is doubted.

    Parameters
    ----------
    lightfield : the views
    disparity : (H, W) of the centre view, px a view step
    used : (N, 2) indices (u, v) of the views
    threads : how many to run

    Returns
    -------
    maps : (N, H, W) px a view step
    doubted : views (U, V, H / BLOCK, W / BLOCK, 1), a pixel a block, rounded up: 1 where the disparity is doubted, else
        0; views that are not among ``used`` are 0
    """
    height, width = lightfield.size
    steps = (used - np.array(lightfield.centre)).astype(np.float64)
    centre = np.ascontiguousarray(disparity, np.float32)
    channels = lightfield.views.shape[4]
    variance = variance_coefficients(estimate_noise(lightfield, disparity=centre), channels)
    variance[0] = np.maximum(variance[0], _LEAST_SIGMA**2)
    nearby = np.ones((3, 3), np.uint8)
    shape = lightfield.centre_view.shape
    low, high = (change(lightfield.centre_view, nearby).reshape(shape) for change in (cv2.erode, cv2.dilate))
    maps = np.empty((len(used), height, width), np.float32)
    blocks = np.zeros((*lightfield.grid, -(-height // BLOCK), -(-width // BLOCK), 1), np.float32)

    def see(n: int) -> None:
        u, v = used[n]
        move_disparity(centre, *steps[n], maps[n])
        excess = np.empty(blocks.shape[2:4], np.float32)
        misfit(lightfield.views[u, v], maps[n], low, high, centre, *steps[n], variance, excess)
        blocks[u, v, :, :, 0] = cv2.dilate((excess > _MISFIT**2).astype(np.float32), nearby)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(see, range(len(used))))
    return maps, replace(lightfield, views=blocks, disparity=None)


def doubted_shares(
    doubted: LightField, slopes: NDArray[np.float64], weights: NDArray[np.float64], *, threads: int
) -> NDArray[np.float32]:
    """Part of the light at a place of a picture that doubted blocks bring, (S, M, H / BLOCK, W / BLOCK) in [0, 1].

    Parameters
    ----------
    doubted : see `seen_by_views`
    slopes : (S,) in focus, px a view step
    weights : (M, U, V) of the apertures
    threads : how many to run
    """
    shares = refocus(doubted, slopes / BLOCK, weights, threads=threads)[..., 0]
    return np.asarray(np.clip(shares, 0, 1))


def enlarged(blocks: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Values of blocks at the pixels of a picture of a size, linear between the blocks' middles."""
    whole = (blocks.shape[1] * BLOCK, blocks.shape[0] * BLOCK)
    return np.asarray(cv2.resize(blocks, whole, interpolation=cv2.INTER_LINEAR)[: size[0], : size[1]])

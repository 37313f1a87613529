"""Sub-pixel shifts between a blurred and a sharp picture, window by window, that symmetric blur does not move.

In every window the blurred picture is written as

    b = c + a (s + r_y ds/dy + r_x ds/dx + f (g * s - s))

by least squares: s is the sharp picture moved by the similarity known so far, r the shift that is left, a the
exposure, c an offset, and f how far the picture is blurred towards g * s, a Gaussian blur. Without the last
term, blur would be taken for a shift wherever a window's content is not symmetric about its centre [1]_;
with it, what blurring does is explained by blurring. Exposure and, within a window, a curve of the tones are
explained by a and c. The equations are those of Lucas and Kanade [2]_, solved for all windows at once.

References
----------
.. [1] J. Flusser, T. Suk, B. Zitová, "Moments and Moment Invariants in Pattern Recognition", 2009, chapter
   6: features that a symmetric blur leaves alone
.. [2] B. D. Lucas, T. Kanade, "An iterative image registration technique with an application to stereo
   vision", IJCAI 1981
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.correlation import Plane, Windows, product
from lfsynth.similarity import Similarity

REFERENCE_BLUR = 1.5
"""Deviation in px of the Gaussian g. The pass band has 1 px already, so that f = 1 is a picture in which the
finest details have lost most of their contrast."""

_NOISE_AREA = 4 * np.pi
"""Area in px^2 over which the noise of a picture smoothed by a Gaussian of 1 px is one and the same."""

_DIFFERENCE = np.array([[-0.5, 0.0, 0.5]], np.float32)


@dataclass(frozen=True, eq=False)
class LocalShifts:
    """What the windows say.

    Attributes
    ----------
    shift : (rows, columns, 2) float64 px (dy, dx), all of it: the similarity's and what is left
    left : (rows, columns, 2) float64 px, what is left alone
    covariance : (rows, columns, 2, 2) float64 px^2, from how well the window's equation holds
    blur : (rows, columns) float64, f: 0 as sharp as the sharp picture, 1 blurred by g
    blur_error : (rows, columns) float64, its standard error
    gain : (rows, columns) float64, a
    explained : (rows, columns) float64 in [0, 1], share of the blurred picture's variance that the equation
        explains
    """

    shift: NDArray[np.float64]
    left: NDArray[np.float64]
    covariance: NDArray[np.float64]
    blur: NDArray[np.float64]
    blur_error: NDArray[np.float64]
    gain: NDArray[np.float64]
    explained: NDArray[np.float64]


def local_shifts(b: Plane, s: Plane, windows: Windows, similarity: Similarity) -> LocalShifts:
    """Solve for the shift that is left, and the blur, of every window.

    Parameters
    ----------
    b, s : (H, W) float32, band-passed; s is the sharp picture
    windows : their windows
    similarity : as far as known; what is left should be below about 1.5 px

    Returns
    -------
    LocalShifts; windows without texture have a huge covariance
    """
    moved, inside = move(s, similarity)
    # Pixels of which the sharp picture knows nothing take no part.
    reference = b if inside is None else product(b, inside)
    derived = (
        cv2.filter2D(moved, -1, _DIFFERENCE.T),
        cv2.filter2D(moved, -1, _DIFFERENCE),
        cv2.subtract(cv2.GaussianBlur(moved, (0, 0), REFERENCE_BLUR), moved),
    )
    planes = [moved, *(np.asarray(plane, np.float32) for plane in derived)]
    if inside is not None:
        planes = [product(plane, inside) for plane in planes]
    planes = [*planes, reference]
    ones = np.ones(windows.shape, np.float32) if inside is None else windows.blocks(inside)
    weight = np.maximum(windows.gather(ones).astype(np.float64), 1e-6)

    def mean(plane: Plane) -> NDArray[np.float64]:
        return windows.mean(plane).astype(np.float64) / weight

    means = [mean(plane) for plane in planes]
    number = len(planes) - 1
    moments = np.empty((*windows.shape, number + 1, number + 1))
    for i in range(number + 1):
        for j in range(i, number + 1):
            moment = mean(product(planes[i], planes[j])) - means[i] * means[j]
            moments[..., i, j] = moments[..., j, i] = moment
    normal, right = moments[..., :number, :number], moments[..., :number, number]
    variance = np.maximum(moments[..., number, number], 1e-14)
    # So small that it matters where a window is flat alone.
    inverse = np.linalg.inv(normal + 1e-10 * np.eye(number))
    solution = (inverse @ right[..., None])[..., 0]
    unexplained = np.maximum(variance - (solution * right).sum(axis=-1), 1e-4 * variance)
    gain = np.where(np.abs(solution[..., 0]) > 1e-6, solution[..., 0], 1e-6)
    independent = weight * windows.overlap * windows.stride**2 / _NOISE_AREA
    spread = unexplained / independent / gain**2
    left = solution[..., 1:3] / gain[..., None]
    return LocalShifts(
        shift=similarity.shifts(windows.centres) + left,
        left=left,
        covariance=spread[..., None, None] * inverse[..., 1:3, 1:3],
        blur=solution[..., 3] / gain,
        blur_error=np.sqrt(spread * inverse[..., 3, 3]),
        gain=solution[..., 0],
        explained=1 - unexplained / variance,
    )


def move(s: Plane, similarity: Similarity) -> tuple[Plane, Plane | None]:
    """The picture s(p + shift(p)), by Lanczos's kernel over 8 x 8 pixels.

    Parameters
    ----------
    s : (H, W) float32
    similarity : gives the shifts, which OpenCV rounds to 1/32 px

    Returns
    -------
    moved : (H, W) float32
    inside : (H, W) float32, 1 where the point lies within s, else 0; None where nothing was moved
    """
    ty, tx, k, w = similarity.parameters
    if ty == tx == k == w == 0:
        return s, None
    cy, cx = similarity.centre
    matrix = np.array([[1 + k, w, tx - k * cx - w * cy], [-w, 1 + k, ty - k * cy + w * cx]])
    size = (s.shape[1], s.shape[0])
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(s, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(np.ones_like(s), matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, np.float32), np.asarray(inside, np.float32)

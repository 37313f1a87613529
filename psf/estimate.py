"""The point spread function from photographs of disks.

Kernels are (n, n) float64 of sum 1, n odd, axes (y, x). Their origin is the middle pixel; it is where the disks'
places, which the projection fits to their centroids, say that the light would be without blur. So the centre of mass
is at the middle but for noise; nothing is recentred afterwards.

The *system's* kernel is what the sensor records of a point: the optical one averaged over a pixel's square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.aliasing import aliased_light
from psf.detect import Detection
from psf.half_samples import HalfSamples
from psf.mannan_langer import Weights
from psf.merit import centre_of_mass
from psf.quality import MOST_OUTER_RING, Quality, expected_residual, outer_ring, refuse, shading_of
from psf.radius import search_radius
from psf.solve import Prior
from psf.solved import Sharp, Solved, by_mannan_langer, regularised, seen_through
from psf.tiles import Tiles, cut_tiles
from psf.weight import CANDIDATES, QUADRATIC, Candidate

_SHARES = {
    Prior.QUADRATIC: QUADRATIC.share,
    Prior.VARIATION: 0.25,
    Prior.SQUARES: 0.25,
    Prior.CURVATURE: 0.12,
}
"""Of a prior that was asked for without a share."""

_LEAST_GROUPS = 8
"""Of disks, for the error bar."""

_SLACK_PX = 2
"""That an automatic size leaves about the blur."""

_LARGER = 1.3
"""Factor on an automatic size that turns out too small."""


@dataclass(frozen=True)
class Options:
    """How a kernel is estimated.

    Attributes
    ----------
    prior : None: the one of the smallest expected error
    share : of the pixels that weight times prior is to be, see `psf.weight`; None: the prior's own, or the best
    search_radius : whether the disks' radius is refined by the residual
    error_bar : whether to compute one, from the spread over the shots, or over groups of disks
    aperture : side of the square in samples from which a pixel gathers light; 0.5 for a colour plane of a mosaic
    sharp : what the disks count as sharp through: the kernel then is the relative one, which turns a photograph with
        that blur into these; None: disks without any blur
    mannan_langer : weights of Mannan and Langer's objective, which then is minimised in place of the regularised one;
        there is no prior and no error bar then
    """

    prior: Prior | None = None
    share: float | None = None
    search_radius: bool = True
    error_bar: bool = True
    aperture: float = 1.0
    sharp: Sharp | None = None
    mannan_langer: Weights | None = None


@dataclass(frozen=True, eq=False)
class Estimate:
    """A kernel and what is known of it.

    Attributes
    ----------
    kernel : (n, n) float64, the optical kernel at the pixels' middles, sum 1
    system : (n, n) float64, the system's kernel, sum 1
    fine : (2 n - 1, 2 n - 1) float64, the optical kernel in cells of half a pixel, sum 1
    sigma : (n, n) float64, standard error of the system's kernel; None where it was not asked for
    halves : system's kernels from halves of the disks, for the errors of other figures
    prior, share : that were chosen; None by Mannan and Langer's method
    weight : of the prior, in units of the noise's variance, for a kernel of whole pixels
    radius : of the disks, pitches
    quality : figures
    """

    kernel: NDArray[np.float64]
    system: NDArray[np.float64]
    fine: NDArray[np.float64]
    sigma: NDArray[np.float64] | None
    halves: HalfSamples | None
    prior: Prior | None
    share: float | None
    weight: float | None
    radius: float
    quality: Quality


def estimate(
    detections: Sequence[Detection],
    size: int | None = None,
    *,
    options: Options | None = None,
    name: str = "the photographs",
) -> Estimate:
    """Estimate one kernel from one photograph or several of the same setting.

    Parameters
    ----------
    detections : of each photograph, each made with room for ``size``
    size : n, odd, px; None: from the blur that the detections saw
    options : None for the defaults
    name : of the photographs, for messages

    Raises
    ------
    InputError : where a check of the quality refuses the kernel, or the size is even or has no room between the disks
    """
    if not detections:
        raise ValueError("there are no detections")
    options = options or Options()
    if size is not None:
        _check_size(size, detections, name)
        found = _estimate(detections, size, options)
        refuse(found.quality, size, name)
        return found
    largest = min(_gap(detection) for detection in detections)
    size = max(automatic_size(detection) for detection in detections)
    while True:
        size = min(size, largest)
        found = _estimate(detections, size, options)
        if found.quality.outer_ring <= MOST_OUTER_RING or size == largest:
            refuse(found.quality, size, name)
            return found
        size = _odd(size * _LARGER)


def automatic_size(detection: Detection) -> int:
    """An odd size that holds the blur that the detection saw, px."""
    return _odd(2 * (detection.blur_reach + _SLACK_PX))


def zones(detection: Detection, rows: int, columns: int) -> dict[tuple[int, int], Detection]:
    """The detection's usable disks by the part of the picture that they are in.

    Parameters
    ----------
    rows, columns : of equal parts of the picture

    Returns
    -------
    (row, column) to a detection of which only the disks in there are usable

    Raises
    ------
    InputError : where a part has no disk
    """
    height, width = detection.normal.shape
    row = np.clip(((detection.centres[:, 0] + 0.5) * rows / height).astype(int), 0, rows - 1)
    column = np.clip(((detection.centres[:, 1] + 0.5) * columns / width).astype(int), 0, columns - 1)
    parts = {}
    for place in np.ndindex(rows, columns):
        usable = detection.usable & (row == place[0]) & (column == place[1])
        if not usable.any():
            raise InputError(
                "--field",
                f"no whole disk is in row {place[0] + 1}, column {place[1] + 1} of {rows} x {columns} zones",
                "use fewer zones, or fill the picture with the target",
            )
        parts[int(place[0]), int(place[1])] = replace(detection, usable=usable)
    return parts


def _check_size(size: int, detections: Sequence[Detection], name: str) -> None:
    """Refuse a size that no kernel can have."""
    if size < 3 or size % 2 == 0:
        raise InputError(
            "--size", f"{size} is not odd, or below 3", "use an odd number of pixels, such as 77"
        )
    for detection in detections:
        gap = _gap(detection)
        if size > gap:
            raise InputError(
                name,
                f"the gap between the disks has room for kernels of {gap} px, not {size} px",
                "use a smaller --size, or a target with a wider pitch",
            )


def _estimate(detections: Sequence[Detection], size: int, options: Options) -> Estimate:
    """The kernel of a given size, unchecked."""
    shots = [cut_tiles(detection, size, aperture=options.aperture) for detection in detections]
    radii = [search_radius(tiles) if options.search_radius else tiles.detection.radius for tiles in shots]
    sums = [
        [tiles.sums(radius, group) for group in _groups(tiles, len(shots))]
        for tiles, radius in zip(shots, radii, strict=True)
    ]
    if options.sharp is not None:
        sums = [[seen_through(group, options.sharp) for group in groups] for groups in sums]
    if options.mannan_langer is not None:
        solved = by_mannan_langer(sums, detections, size, options.mannan_langer, aperture=options.aperture)
    else:
        solved = regularised(
            sums, size, _candidates(options), aperture=options.aperture, error_bar=options.error_bar
        )
    halves = None if solved.halves is None else solved.halves.scaled(1 / solved.system.sum())
    return Estimate(
        solved.optical / solved.optical.sum(),
        solved.system / solved.system.sum(),
        solved.fine / solved.fine.sum(),
        None if halves is None else halves.sigma(),
        halves,
        solved.prior,
        solved.share,
        solved.weight,
        float(np.mean(radii)),
        _quality(shots, radii, solved, through=options.sharp is not None),
    )


def _candidates(options: Options) -> Sequence[Candidate]:
    """What the options leave open."""
    if options.prior is None:
        return CANDIDATES
    if options.share is not None:
        return [Candidate(options.prior, options.share)]
    own = [candidate for candidate in CANDIDATES if candidate.prior is options.prior]
    return own or [Candidate(options.prior, _SHARES[options.prior])]


def _groups(tiles: Tiles, shots: int) -> list[NDArray[np.int64]]:
    """Indices of tiles, spread over the picture, in as many groups as the error bar needs."""
    count = min(len(tiles.disks), math.ceil(_LEAST_GROUPS / shots))
    order = np.lexsort((tiles.disks[:, 0], tiles.disks[:, 1]))
    return [order[first::count] for first in range(count)]


def _quality(shots: Sequence[Tiles], radii: Sequence[float], solved: Solved, *, through: bool) -> Quality:
    """The figures; those of several shots are means, counts are sums.

    Disks that are seen through another kernel are smooth, and nothing of them is reckoned to be folded back.
    """
    system = solved.system
    aliased = 0.0
    if not through:
        aliased = float(
            np.mean([aliased_light(t, radius, solved.fine) for t, radius in zip(shots, radii, strict=True)])
        )
    detections = [tiles.detection for tiles in shots]
    scales = [
        float(np.mean(tiles.detection.projection.pixels_per_pitch(tiles.disks.astype(np.float64))))
        for tiles in shots
    ]
    changes = [
        (radius - detection.radius) * scale
        for radius, detection, scale in zip(radii, detections, scales, strict=True)
    ]
    return Quality(
        residual_over_noise=math.sqrt(max(solved.residual, 0.0) / (1 + aliased)),
        aliasing=math.sqrt(aliased),
        outer_ring=outer_ring(system),
        shading=max(shading_of(tiles) for tiles in shots),
        contrast=float(np.mean([detection.contrast for detection in detections])),
        noise=float(np.mean([detection.sigma / detection.plateau for detection in detections])),
        disk_radius_px=float(np.mean([r * scale for r, scale in zip(radii, scales, strict=True)])),
        radius_change_px=float(np.mean(changes)),
        homography_residual_px=max(detection.residual_rms for detection in detections),
        expected_residual_px=max(expected_residual(tiles.detection, tiles.size) for tiles in shots),
        disks=sum(len(tiles.disks) for tiles in shots),
        cut=sum(detection.cut for detection in detections),
        shots=len(shots),
        centre=centre_of_mass(system),
    )


def _gap(detection: Detection) -> int:
    """The largest odd size for which there is room between the disks, px."""
    target = detection.grid_index[detection.usable].astype(np.float64)
    scale = float(detection.projection.pixels_per_pitch(target).min())
    return max(3, (int(scale * (1 - 2 * detection.radius)) - 1) // 2 * 2 + 1)


def _odd(length: float) -> int:
    """The next odd number of pixels, at least 7."""
    return max(7, math.ceil(length) // 2 * 2 + 1)

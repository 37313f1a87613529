"""Kernels of real photographs of disks, and of a disk target in a light field with a real one's noise and views.

    python benchmarks/psf_real.py [--rows light-field,told-apart,photographs,fringes,frames,defocus] [--data FOLDER]
                                  [--cases 40] [--out FOLDER]

Light fields: a target is projected into the views of `psf.projected_target`, whose usable views and noise are those of
a decoded Lytro Illum picture (`illum_toy` of the data folder; without one, the figures measured there once), refocused
by `lfsynth` and estimated. A camera's photographs are those of `psf.simulate`.

Photographs: the Bayer frames of `disks` in the data folder, of light of a narrow band each. Their colour planes have
samples two pixels of the sensor apart; lengths are pixels of the sensor where nothing else is said. Defocus is
synthetic: it is added by convolution to a real frame's linear plane.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

# A file here has the package's name, and this folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2
import numpy as np
import scipy.io
import scipy.ndimage
import scipy.optimize
import scipy.signal

from lfsynth import pictures
from lfsynth.aperture import largest_radius
from lfsynth.errors import InputError
from lfsynth.noise import Noise, estimate_noise
from lfsynth.readers import read_light_field
from psf import models
from psf.detect import Detection, detect
from psf.estimate import Estimate, Options, estimate
from psf.lateral import lateral_colour
from psf.lattice import Origin, find_lattice
from psf.light_field import Opening, photograph
from psf.merit import measure
from psf.photograph import Bayer, Channel, Plane, Reading, read_photographs
from psf.projected_target import ViewNoise, project_target
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, simulate_coverage

SHAPE = (434, 625)
"""px, of an Illum's views."""

EXPOSURE = Exposure(paper=0.6, ink=0.06, vignetting=0.05)
"""Dark enough for an Illum's noise not to be clipped."""

VIEW_SIGMA = 0.5
"""px, of a view's optics: the sharper quarter of the edges of `illum_toy` has 0.44 px, pixels included."""

FRAMES = {
    "450": ("b",),
    "500": ("g1", "g2", "b"),
    "600": ("r", "g1", "g2"),
    "650": ("r",),
    "700": ("r", "g1", "g2"),
}
"""Wavelengths in nm, and the colour planes that see them."""

MERGED = {"450": ("b",), "550": ("g1", "g2"), "650": ("r",)}
"""The same of the pictures merged from several exposures."""

ORIGINS = {"g1": (0, 0), "b": (0, 1), "r": (1, 0), "g2": (1, 1)}


@dataclass(frozen=True)
class Illum:
    """What was measured on a decoded light field: usable views, their noise, the largest aperture."""

    weights: np.ndarray
    noise: ViewNoise
    radius: float


def illum(data: Path | None) -> Illum:
    """Views and noise of `illum_toy`; without the folder a round aperture and the figures measured once."""
    if data is None:
        away = np.hypot(*(np.indices((15, 15)) - 7))
        level = Noise((2.5e-7,), (2.17e-4,), (5.96e-3,))
        return Illum((away <= 5).astype(np.float32), ViewNoise(level, 0.535, (0.047, 0.382)), 5.0)
    lightfield = read_light_field(data / "illum_toy")
    level = estimate_noise(lightfield)
    green = Noise(*((part[1],) for part in (level.constant, level.shot, level.gain)))
    views, pixels = correlations(lightfield.views[4:11, 4:11, ..., 1])
    return Illum(lightfield.weights, ViewNoise(green, views, pixels), largest_radius(lightfield))


def correlations(views: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Correlation of the noise of neighbouring views, and of pixels one below the other and side by side.

    Where the middle view is smooth, parallax changes nothing; fine detail less its mean over the views is noise.
    """
    middle = views[3, 3]
    smooth = cv2.GaussianBlur(middle, (0, 0), 3)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    flat = (slope < np.quantile(slope, 0.15)) & (smooth > 0.02) & (middle < 0.9)
    flat[:20] = flat[-20:] = flat[:, :20] = flat[:, -20:] = False
    fine = np.stack([[view - cv2.GaussianBlur(view, (0, 0), 6) for view in row] for row in views])
    fine -= fine.mean(axis=(0, 1))

    def alike(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a[..., flat], b[..., flat]
        return float((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))

    beside = (alike(fine[:, :-1], fine[:, 1:]) + alike(fine[:-1], fine[1:])) / 2
    return beside, tuple(alike(fine, np.roll(fine, 1, axis=axis)) for axis in (2, 3))


def target(spacing: float, radius: float, slope: float) -> tuple[Pose, int]:
    """A target that a light field's views hold, with disks as wide as the blur, and the kernel's size."""
    reach = math.ceil(radius * abs(spacing)) + 3
    disk = max(reach + 6.0, 20.0)
    pitch = 2 * disk + 2 * reach + 10
    rim = 2 * math.ceil(abs(slope) * radius) + 2 * (disk + reach + 6)
    rows, columns = (max(2, int((side - rim) // pitch) + 1) for side in SHAPE)
    pose = Pose(SHAPE, (columns, rows), pitch, disk, (1.0, -1.5), 0.7, (1.3, -2.7), 4000.0)
    return pose, 2 * reach + 1


def light_field_kernel(
    spacing: float, disparity: float, radius: float, facts: Illum, seed: int, gain: float = 1.0
) -> Estimate:
    """The kernel of a target at the disparity, refocused ``spacing`` px a view step from it.

    ``gain``: factor on the noise's standard deviation.
    """
    slope = disparity - spacing
    pose, size = target(spacing, radius, slope)
    level = Noise(*(tuple(gain**2 * c for c in part) for part in vars(facts.noise.level).values()))
    made = project_target(
        pose,
        disparity,
        np.random.default_rng(seed),
        weights=facts.weights,
        view_sigma=VIEW_SIGMA,
        exposure=EXPOSURE,
        noise=replace(facts.noise, level=level),
    )
    (plane,) = photograph(made, Opening(slope, radius)).planes
    found = detect(plane.light, size=size, clipped=plane.clipped)
    return estimate([found], size, options=Options(error_bar=False))


def light_field(arguments: argparse.Namespace) -> None:
    """Print the period of the spots."""
    facts = illum(arguments.data)
    print(f"noise {facts.noise}, {np.count_nonzero(facts.weights)} views, radius {facts.radius}")
    print(
        "\n| d - s | spots' period | off | score | residual / noise | noise / contrast |\n|---|---|---|---|---|---|"
    )
    for spacing in (2, 3, 4, 5, -2, -3, -4, -5):
        try:
            found = light_field_kernel(spacing, 0.4, facts.radius, facts, spacing + 10)
        except InputError as error:
            print(f"| {spacing} | refused: {error.fault} | | | | |", flush=True)
            continue
        lattice = find_lattice(found.system)
        period = lattice.period or math.nan
        quality = found.quality
        print(
            f"| {spacing} | {period:.3f} | {period / abs(spacing) - 1:+.2%} | {lattice.score:.1f} | "
            f"{quality.residual_over_noise:.2f} | {quality.noise:.4f} |",
            flush=True,
        )
        save(arguments.out, f"light_field_{spacing}", found.system)


def camera_kernel(rng: np.random.Generator, noise: float) -> tuple[str, Estimate]:
    """A random kernel of one opening, from a photograph by a camera."""
    kind = ("pillbox", "defocused airy", "airy", "gaussian", "coded")[int(rng.integers(5))]
    reach = float(rng.uniform(3, 25)) if kind != "airy" else 20.0
    fine = OVERSAMPLING
    model = {
        "pillbox": lambda: models.Pillbox(reach * fine),
        "defocused airy": lambda: models.DefocusedAiry.of_radius(
            float(rng.uniform(0.7, 2)) * fine, reach * fine
        ),
        "airy": lambda: models.Airy(float(rng.uniform(0.7, 3)) * fine),
        "gaussian": lambda: models.Gaussian(reach / 3 * fine),
        "coded": lambda: Coded(2 * reach * fine, rng.random((7, 7)) < 0.6),
    }[kind]()
    size = 2 * math.ceil(reach + 5) + 1
    disk = max(reach + 9, 20.0)
    pitch = 2 * disk + size + 9
    pose = Pose((700, 900), (5, 4), pitch, disk, tuple(rng.uniform(-3, 3, 2)), float(rng.uniform(-2, 2)))
    rows, columns = (int((side - 2 * disk - size - 20) // pitch) + 1 for side in pose.shape)
    pose = replace(pose, grid=(columns, rows))
    kernel = models.kernel(model, (size + 8) * fine + 1)
    picture = expose(simulate_coverage(kernel, pose), Exposure(noise=noise), rng)
    return f"{kind} {reach:.1f}", estimate(
        [detect(picture, size=size)], size, options=Options(error_bar=False)
    )


@dataclass(frozen=True)
class Coded:
    """A mask of square cells in a square of a width; a model of `psf.models`."""

    width: float
    mask: np.ndarray

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> np.ndarray:
        """See `psf.models.Model.light`."""
        mask = np.asarray(self.mask, float)
        mask[3, 3] = 1
        places = np.linspace(-0.5, 0.5, 8)
        middle = [
            float(mask.sum(axis=1 - axis) @ (places[1:] + places[:-1]) / 2 / mask.sum()) for axis in (0, 1)
        ]

        def shares(axis: int) -> np.ndarray:
            edges = (places - middle[axis]) * self.width + centre[axis]
            pixels = np.arange(size)[:, None] - size // 2
            low, high = np.maximum(pixels - 0.5, edges[:-1]), np.minimum(pixels + 0.5, edges[1:])
            return np.maximum(high - low, 0)

        return shares(0) @ mask @ shares(1).T


def told_apart(arguments: argparse.Namespace) -> None:
    """Print whether kernels of random cameras and light fields are taken for what they are."""
    facts = illum(arguments.data)
    wrong, refused, scores = [], [], {Origin.CAMERA: [], Origin.LIGHT_FIELD: []}
    for case in range(arguments.cases):
        rng = np.random.default_rng(4000 + case)
        truth = Origin.LIGHT_FIELD if case % 2 else Origin.CAMERA
        try:
            if truth is Origin.CAMERA:
                name, found = camera_kernel(rng, float(rng.uniform(0.002, 0.02)))
            else:
                spacing = float(rng.uniform(2.5, 5) * rng.choice([-1, 1]))
                radius, gain = float(rng.uniform(3, facts.radius)), float(rng.uniform(0.3, 1))
                name = f"light field {spacing:.2f}, radius {radius:.1f}, noise x {gain:.1f}"
                found = light_field_kernel(spacing, float(rng.uniform(-1, 1)), radius, facts, case, gain)
        except InputError as error:
            refused.append(f"{name if truth is Origin.LIGHT_FIELD else 'camera'}: {error}")
            continue
        lattice = find_lattice(found.system)
        scores[truth].append(lattice.score)
        period = "" if lattice.period is None else f", period {lattice.period:.3f}"
        print(
            f"{name}: score {lattice.score:.2f}{period}, residual {found.quality.residual_over_noise:.2f}",
            flush=True,
        )
        if lattice.origin is not truth:
            wrong.append(name)
            save(arguments.out, f"wrong_{case}", found.system)
    for origin, values in scores.items():
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        print(f"{origin.value}: {len(values)} kernels, scores {low:.2f} to {high:.2f}, median {middle:.2f}")
    print(f"told wrongly: {wrong or 'none'}; refused: {refused or 'none'}")


def read_frames(data: Path) -> dict[tuple[str, str], Plane]:
    """The planes of the frames by (wavelength, colour), less the dark frames."""
    folder = data / "disks"
    planes = {}
    for wavelength, colours in FRAMES.items():
        (path,) = folder.glob(f"d1_*_{wavelength}nm_*.tif")
        reading = Reading(channel=Channel.EACH, bayer=Bayer.GBRG)
        ((_, found),) = read_photographs([path], reading, dark=sorted(folder.glob("d1_dark_*.tif")))
        planes |= {(wavelength, plane.name): plane for plane in found if plane.name in colours}
    return planes


def read_merged(data: Path) -> dict[tuple[str, str], Plane]:
    """The planes of the merged pictures; nothing is said of clipping there."""
    planes = {}
    for wavelength, colours in MERGED.items():
        raw = scipy.io.loadmat(data / "disks" / f"d1_disks32cmV2_{wavelength}nm.mat")["I_raw"]
        for colour in colours:
            y, x = ORIGINS[colour]
            light = np.ascontiguousarray(raw[y::2, x::2], np.float32)
            planes[wavelength, colour] = Plane(colour, light, np.zeros(light.shape, np.uint8), 2, (y, x))
    return planes


def find(plane: Plane) -> Detection:
    """The disks of a plane."""
    return detect(plane.light, clipped=plane.clipped, name=plane.name)


def kernel_of(plane: Plane, size: int | None = None, found: Detection | None = None) -> Estimate:
    """The kernel of a plane, in samples."""
    return estimate([found or find(plane)], size, options=Options(aperture=plane.aperture))


def photographs(arguments: argparse.Namespace) -> None:
    """Print the kernels of the frames."""
    print(
        "\n| nm | plane | disks | cut | used | radius | residual / noise | noise | FWHM | EE50 | EE80 | error |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    merged = {(f"{nm} merged", colour): plane for (nm, colour), plane in read_merged(arguments.data).items()}
    for (wavelength, colour), plane in (read_frames(arguments.data) | merged).items():
        found = find(plane)
        made = kernel_of(plane, 17, found)
        merit, quality = measure(made.system), made.quality
        error = float(np.linalg.norm(made.sigma) / np.linalg.norm(made.system))
        lengths = " | ".join(f"{plane.step * v:.2f}" for v in (merit.fwhm, merit.ee50, merit.ee80))
        print(
            f"| {wavelength} | {colour} | {found.whole} | {found.cut} | {quality.disks} | "
            f"{plane.step * quality.disk_radius_px:.2f} | {quality.residual_over_noise:.2f} | {quality.noise:.3f} | "
            f"{lengths} | {error:.0%} |",
            flush=True,
        )
        save(arguments.out, f"{wavelength}_{colour}", made.system)


def place_of_wavelength(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wavelengths in nm, shifts (y, x) px against 600 nm of the disks' middles, and magnifications in parts of 1."""
    planes = read_frames(data) | {key: p for key, p in read_merged(data).items() if key[0] == "550"}
    first = planes["600", "r"], find(planes["600", "r"])
    found: dict[float, list[tuple[float, ...]]] = {}
    for (wavelength, _), plane in planes.items():
        seen = lateral_colour(first[1], find(plane), (first[0], plane))
        found.setdefault(float(wavelength), []).append((*seen.shift, seen.magnification))
    waves = np.array(sorted(found))
    table = np.array([np.mean(found[wave], axis=0) for wave in waves])
    return waves, table[:, :2], table[:, 2]


def fringes_of(picture: np.ndarray) -> dict[str, tuple[np.ndarray, float, int]]:
    """Shifts of green and blue against red in a colour picture (H, W, 3), from the disks' edges alone.

    Each disk's left and right edge is where a row through its middle part crosses the mean of black and white, upper
    and lower edge alike in columns; the disk is midway between. Returns the mean shift (y, x), the magnification in
    parts of 1, and how many disks.
    """
    dark = picture.mean(axis=2) < (picture.max() + picture.min()) / 2
    labels, count = scipy.ndimage.label(dark)
    areas = np.bincount(labels.ravel())[1:]
    boxes = scipy.ndimage.find_objects(labels)
    usual = np.median(areas[areas > 100])
    middles = []
    for index in range(count):
        rows, columns = boxes[index]
        inside = rows.start > 8 and columns.start > 8
        inside &= rows.stop < dark.shape[0] - 8 and columns.stop < dark.shape[1] - 8
        if inside and 0.8 < areas[index] / usual < 1.2:
            middle = ((rows.start + rows.stop - 1) // 2, (columns.start + columns.stop - 1) // 2)
            middles.append([_midway(picture[..., c], middle, math.sqrt(usual / math.pi)) for c in range(3)])
    places = np.array(middles)
    fringes = {}
    for index, name in ((1, "g"), (2, "b")):
        shifts = places[:, index] - places[:, 0]
        arms = places[:, 0] - places[:, 0].mean(axis=0)
        fringes[name] = (shifts.mean(axis=0), float(np.sum(arms * shifts) / np.sum(arms**2)), len(places))
    return fringes


def _midway(channel: np.ndarray, middle: tuple[int, int], radius: float) -> tuple[float, float]:
    """Middle of a disk (y, x) between its edges."""
    reach, part = round(1.5 * radius), round(0.3 * radius)
    found = []
    for axis, turned in ((0, channel.T), (1, channel)):
        across, along = (middle[1], middle[0]) if axis == 0 else middle
        first = max(along - reach, 0)
        edges = []
        for row in range(across - part, across + part + 1):
            line = turned[row, first : along + reach + 1].astype(float)
            half = (np.quantile(line, 0.1) + np.quantile(line, 0.9)) / 2
            below = np.flatnonzero(line < half)
            left, right = below[0], below[-1]
            edges.append(
                left
                - (half - line[left]) / (line[left - 1] - line[left])
                + right
                + (half - line[right]) / (line[right + 1] - line[right])
            )
        found.append(first + float(np.median(edges)) / 2)
    return found[0], found[1]


def colour_fringes(data: Path) -> tuple[dict[str, tuple[np.ndarray, float, int]], np.ndarray, float]:
    """The picture's fringes, wavelengths of red, green and blue that explain them best, and what they leave, px."""
    picture = pictures.read(data / "disks" / "d1_disks32cmV2_d3_wb.tif")
    fringes = fringes_of(picture)
    waves, shifts, _ = place_of_wavelength(data)

    def off(colours: np.ndarray) -> np.ndarray:
        red, green, blue = (np.array([np.interp(w, waves, shifts[:, a]) for a in (0, 1)]) for w in colours)
        return np.concatenate([green - red - fringes["g"][0], blue - red - fringes["b"][0]])

    starts = [(r, g, b) for r in (580, 600, 630) for g in (530, 550) for b in (460, 480)]
    best = min(
        (
            scipy.optimize.least_squares(off, start, bounds=([570, 500, 450], [700, 569, 499]))
            for start in starts
        ),
        key=lambda solved: solved.cost,
    )
    return fringes, best.x, float(np.sqrt(np.mean(best.fun**2)))


def fringes(arguments: argparse.Namespace) -> None:
    """Print lateral colour, and the fringes of the white-balanced picture."""
    waves, shifts, magnifications = place_of_wavelength(arguments.data)
    print("\n| nm | shift (y, x) px against 600 nm | magnification |\n|---|---|---|")
    for wave, shift, magnification in zip(waves, shifts, magnifications, strict=True):
        print(f"| {wave:.0f} | {shift[0]:+.2f}, {shift[1]:+.2f} | {magnification:+.2e} |")
    seen, colours, left = colour_fringes(arguments.data)
    for name, (shift, magnification, count) in seen.items():
        print(
            f"fringe of {name} against r: {shift[0]:+.2f}, {shift[1]:+.2f} px, {magnification:+.2e}; {count} disks"
        )
    predicted = [np.interp(colours, waves, magnifications)[i] for i in range(3)]
    print(
        f"explained by r, g, b of {colours.round()} nm but for {left:.3f} px; magnifications then "
        f"{predicted[1] - predicted[0]:+.2e}, {predicted[2] - predicted[0]:+.2e}"
    )


def frame_agreement(data: Path, key: tuple[str, str]) -> dict[str, tuple[float, float]]:
    """Pairs of kernels of one setting: (length of the difference over what the error bars let expect, correlation).

    A frame and the merged picture of the same light, and two halves of a frame's disks. The correlation is that of
    the noise of the two pictures: of 1, they would be one frame.
    """
    one, other = read_frames(data)[key], read_merged(data)[key]
    found = find(one), find(other)
    pairs = {"frame and merged": (kernel_of(one, 17, found[0]), kernel_of(other, 17, found[1]))}
    usable = np.flatnonzero(found[0].usable)
    halves = []
    for start in (0, 1):
        mask = np.zeros_like(found[0].usable)
        mask[usable[start::2]] = True
        halves.append(kernel_of(one, 17, replace(found[0], usable=mask)))
    pairs["halves of the frame's disks"] = (halves[0], halves[1])
    alike = noise_alike(*found)
    ratios = {}
    for name, (a, b) in pairs.items():
        expected = math.sqrt(float(np.sum(a.sigma**2 + b.sigma**2)))
        ratios[name] = (
            float(np.linalg.norm(a.system - b.system)) / expected,
            alike if "merged" in name else 0.0,
        )
    return ratios


def noise_alike(one: Detection, other: Detection) -> float:
    """Correlation of what differs from its surroundings far from the disks."""
    away = scipy.ndimage.binary_erosion((one.normal < 0.2) & (other.normal < 0.2), iterations=5)
    away[:20] = away[-20:] = away[:, :20] = away[:, -20:] = False
    rough = [(d.normal - cv2.GaussianBlur(d.normal, (0, 0), 3))[away] for d in (one, other)]
    return float(np.corrcoef(rough)[0, 1])


def frames(arguments: argparse.Namespace) -> None:
    """Print how well kernels of one setting agree."""
    print(
        "\n| nm | plane | pair | difference / its error bar | correlation of the noise |\n|---|---|---|---|---|"
    )
    for key in (("450", "b"), ("650", "r")):
        for name, (ratio, alike) in frame_agreement(arguments.data, key).items():
            print(f"| {key[0]} | {key[1]} | {name} | {ratio:.2f} | {alike:.2f} |")


def recovered_defocus(plane: Plane, radius: float) -> tuple[float, float, float]:
    """Blur a plane by a pillbox of ``radius`` samples, and estimate both: (radius found, L2, error bar).

    The convolution smooths the frame's noise away; as much white noise is added. The radius is that of the pillbox
    which turns the first kernel best into the second; L2 is the relative length of what it leaves, and of the second
    kernel's error bar.
    """
    pillbox = models.kernel(models.Pillbox(radius), 2 * math.ceil(radius) + 3)
    size = 15  # the gap has room for no more
    blurred = scipy.ndimage.convolve(plane.light.astype(np.float64), pillbox, mode="nearest")
    first = find(plane)
    level = first.sigma * float(np.median(plane.light))
    blurred += level * np.random.default_rng(1).standard_normal(blurred.shape)
    before = kernel_of(plane, 15, first)
    second = detect(blurred.astype(np.float32), size=size, name="blurred")
    after = kernel_of(plane, size, second)

    def off(tried: float) -> float:
        ours = models.kernel(models.Pillbox(tried), size)
        made = scipy.signal.fftconvolve(ours, before.system, mode="same")
        return float(np.linalg.norm(made - after.system) / np.linalg.norm(after.system))

    found = scipy.optimize.minimize_scalar(off, bounds=(0.5 * radius, 1.5 * radius), method="bounded")
    return float(found.x), float(found.fun), float(np.linalg.norm(after.sigma) / np.linalg.norm(after.system))


def defocus(arguments: argparse.Namespace) -> None:
    """Print synthetic defocus of real frames, as it was found."""
    print(
        "\n| nm | plane | pillbox added, samples | found | L2 of the change | error bar |\n|---|---|---|---|---|---|"
    )
    planes = read_frames(arguments.data)
    for key in (("450", "b"), ("600", "g1"), ("650", "r")):
        for radius in (1.5, 2.0, 3.0):
            found, error, floor = recovered_defocus(planes[key], radius)
            print(f"| {key[0]} | {key[1]} | {radius} | {found:.2f} | {error:.3f} | {floor:.3f} |", flush=True)


def save(folder: Path | None, name: str, kernel: np.ndarray) -> None:
    """Write a kernel, and a picture of it."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", kernel)
    grey = (255 * np.clip(kernel / kernel.max(), 0, 1)).astype(np.uint8)
    large = cv2.resize(grey, None, fx=12, fy=12, interpolation=cv2.INTER_NEAREST)
    pictures.write(folder / f"{name}.png", (large[..., None] / 255).astype(np.float32), bits=8)


ROWS: dict[str, Callable[[argparse.Namespace], None]] = {
    "light-field": light_field,
    "told-apart": told_apart,
    "photographs": photographs,
    "fringes": fringes,
    "frames": frames,
    "defocus": defocus,
}
NEED_DATA = ("photographs", "fringes", "frames", "defocus")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=list(ROWS), type=lambda text: text.split(","))
    parser.add_argument("--data", type=Path, help="folder with disks/ and illum_toy/")
    parser.add_argument("--cases", default=40, type=int)
    parser.add_argument("--out", type=Path, help="folder for the kernels and their pictures")
    arguments = parser.parse_args()
    for row in arguments.rows:
        if arguments.data is None and row in NEED_DATA:
            print(f"{row}: needs --data")
        else:
            ROWS[row](arguments)


if __name__ == "__main__":
    main()

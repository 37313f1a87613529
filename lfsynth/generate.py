"""From one light field to the pictures of one scene of an LFDOF dataset.

Focus slopes are spread evenly over the scene's disparity range, both ends included, so that the farthest and
the nearest thing are each in focus once; apertures are one stop apart below the largest that the live views
allow. The pictures are cropped to where every view of every aperture sees the scene
(`refocus.full_aperture_margin`), so that no blur kernel in the dataset is cut off.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import aperture, dense
from lfsynth.allinfocus import Method, all_in_focus
from lfsynth.aperture import Sampling
from lfsynth.disparity import disparity_map, range_of
from lfsynth.errors import InputError
from lfsynth.frame import Frame, resample
from lfsynth.lens import PLAIN, Lens, Openings, photographs, truth_of
from lfsynth.lightfield import LightField
from lfsynth.machine import free_memory
from lfsynth.refocus import full_aperture_margin

STOP = math.sqrt(2)
"""Ratio of the radii of apertures one stop apart."""


@dataclass(frozen=True)
class Recipe:
    """What to make of each light field; all that decides the pictures' bytes, beside the light field.

    Attributes
    ----------
    apertures : how many, one stop apart, the largest that the light field allows among them
    radii : radii in view steps instead, ascending
    f_numbers : f-numbers instead, descending
    blades : sides of the aperture; 0 is a disk
    aperture_sampling : how it is sampled
    lens : what else of a camera the pictures have
    focus : how many focus settings, spread evenly over the scene's disparity range
    slopes : disparities to focus at instead, ascending, the same for each light field
    size : height and width of the pictures; None: the views' own, less the margin
    bits : 8 or 16 a channel
    test_fraction : part of the scenes that goes to ``test_data``, in [0, 1]
    ground_truth : how the all-in-focus picture is made
    defocus_maps : also write the radius of the circle of confusion of each picture
    check_every : judge the alignment of every so many-th pair, counted from the widest aperture; 0: of none; None: of
        those of the widest aperture
    """

    apertures: int = 3
    radii: tuple[float, ...] = ()
    f_numbers: tuple[float, ...] = ()
    blades: int = 0
    aperture_sampling: Sampling = Sampling.VIEWS
    lens: Lens = PLAIN
    focus: int = 5
    slopes: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    bits: int = 8
    test_fraction: float = 0.06
    ground_truth: Method = Method.ROBUST_AVERAGE
    defocus_maps: bool = False
    check_every: int | None = None

    @property
    def pictures(self) -> int:
        """Pictures a scene, ground truth and maps included."""
        pairs = self.pairs
        return pairs * (2 if self.defocus_maps else 1) + 1

    @property
    def pairs(self) -> int:
        """Pairs a scene."""
        return (len(self.radii) or len(self.f_numbers) or self.apertures) * (len(self.slopes) or self.focus)

    def as_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        values = dataclasses.asdict(self)
        values |= {"ground_truth": self.ground_truth.value, "aperture_sampling": self.aperture_sampling.value}
        values["lens"] = self.lens.as_json()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True, eq=False)
class Scene:
    """What is made of one light field.

    Attributes
    ----------
    defocused : (S, M, H, W, C) float32 linear light, by slope and aperture
    ground_truth : (H, W, C) float32 linear light
    slopes : (S,) disparities in focus, ascending (farthest first)
    radii : (M,) radii of the apertures in view steps, ascending
    weights : (M, U, V) weights of the views in the picture's middle, dead ones 0
    disparity : (H, W) float32 disparity of the centre view on the pictures' grid: true where the light field
        brought it, else estimated
    step : centre view pixels a picture pixel
    """

    defocused: NDArray[np.float32]
    ground_truth: NDArray[np.float32]
    slopes: NDArray[np.float64]
    radii: NDArray[np.float64]
    weights: NDArray[np.float64]
    disparity: NDArray[np.float32]
    step: float

    def defocus(self, slope: float, radius: float) -> NDArray[np.float32]:
        """Radius of the circle of confusion in pixels of the picture, (H, W)."""
        return np.asarray(np.abs(self.disparity - np.float32(slope)) * np.float32(radius / self.step))


def make_scene(lightfield: LightField, recipe: Recipe, *, name: str = "", threads: int = 1) -> Scene:
    """Make the pictures of one scene.

    Parameters
    ----------
    lightfield : of the scene
    recipe : what to make
    name : of the scene, by which noise is drawn
    threads : how many to run; the result does not depend on them

    Raises
    ------
    InputError
        If the light field cannot serve the recipe.
    """
    disparity, confidence = disparity_map(lightfield)
    radii, openings = _apertures(lightfield, recipe)
    weights = openings.weights(lightfield.grid)
    slopes = _slopes(lightfield, range_of(disparity, confidence), recipe)
    margin = full_aperture_margin(lightfield, slopes, weights)
    frame = _frame(lightfield, recipe, margin)
    _check_memory(lightfield, recipe, frame, len(radii))
    known = disparity if lightfield.disparity is None else lightfield.disparity
    truth = all_in_focus(lightfield, method=recipe.ground_truth, disparity=disparity, threads=threads)
    defocused = photographs(
        lightfield,
        slopes,
        openings,
        recipe.lens,
        disparity=disparity,
        frame=frame,
        scene=name,
        threads=threads,
    )
    return Scene(
        defocused=defocused,
        ground_truth=truth_of(resample(truth, frame), lightfield, recipe.lens, frame),
        slopes=slopes,
        radii=radii,
        weights=weights * lightfield.weights,
        disparity=resample(known[:, :, None], frame)[:, :, 0],
        step=frame.step,
    )


def _apertures(lightfield: LightField, recipe: Recipe) -> tuple[NDArray[np.float64], Openings]:
    """Radii in view steps, ascending, and the openings."""
    if recipe.radii:
        radii = np.array(recipe.radii)
    elif recipe.f_numbers:
        radii = np.array([aperture.radius_from_f_number(lightfield, n) for n in recipe.f_numbers])
    else:
        largest = aperture.largest_radius(lightfield)
        if largest < 1:
            raise InputError(
                lightfield.source,
                f"its live views leave an aperture of radius {largest:.1f} views around the centre view",
                "leave it out, or name radii with --radii",
            )
        radii = largest / STOP ** np.arange(recipe.apertures - 1, -1, -1)
    radii = np.sort(radii)
    centre, grid, blades, parts = lightfield.centre, lightfield.grid, recipe.blades, recipe.lens.parts
    if blades:
        pupils = [aperture.polygonal(grid, r, blades, centre=centre, parts=parts) for r in radii]
    else:
        pupils = [aperture.circular(grid, r, centre=centre, parts=parts) for r in radii]
    barrel = aperture.reach(float(radii[-1]), blades)
    return radii, Openings(np.stack(pupils), barrel, recipe.aperture_sampling)


def _slopes(lightfield: LightField, disparities: tuple[float, float], recipe: Recipe) -> NDArray[np.float64]:
    """Slopes to focus at, ascending, from a (nearest, farthest) range of disparities."""
    if recipe.slopes:
        return np.sort(np.array(recipe.slopes))
    nearest, farthest = disparities
    if nearest == farthest:
        raise InputError(
            lightfield.source,
            "its range of disparities cannot be told: too little texture, or too few views",
            "leave it out, or name slopes with --slopes",
        )
    if recipe.focus == 1:
        return np.array([(nearest + farthest) / 2])
    return np.linspace(farthest, nearest, recipe.focus)


def _frame(lightfield: LightField, recipe: Recipe, margin: tuple[int, int]) -> Frame:
    try:
        if recipe.size is None:
            return Frame.native(lightfield.size, margin=margin)
        return Frame.resized(lightfield.size, recipe.size, margin=margin)
    except ValueError as error:
        raise InputError(lightfield.source, str(error), "take smaller slopes or radii") from error


def _check_memory(lightfield: LightField, recipe: Recipe, frame: Frame, apertures: int) -> None:
    """Refuse what would have the process killed."""
    height, width = frame.size
    needed = 4 * recipe.pairs * height * width * lightfield.views.shape[4]
    if recipe.aperture_sampling is Sampling.DENSE:
        needed += dense.memory(lightfield, apertures)
    if recipe.lens.highlights:
        needed += lightfield.views.nbytes + needed
    free = free_memory()
    if needed > free:
        raise InputError(
            lightfield.source,
            f"{recipe.pairs} pictures of {height} x {width} need {needed / 1e9:.1f} GB of memory, "
            f"{free / 1e9:.1f} GB are free",
            "take fewer apertures or focus settings, a smaller --size or fewer --jobs",
        )

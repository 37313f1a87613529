"""Whether a defocused picture and its all-in-focus partner are aligned.

Defocus lowers correlation and moves nothing, so the question is answered where the blurred picture is in
focus. Shifts are measured there to fractions of a pixel by equations that symmetric blur, exposure and a
curve of the tones do not touch (`shift_field`), a similarity is fitted to them (`similarity`), and the pair
is judged by how far that, or a part of the picture that does not follow it, moves the sharp picture.

Pictures are [y, x, c]. A shift (dy, dx) in px at the point p = (y, x) of the blurred picture says that the
sharp picture shows at p + (dy, dx) what the blurred one shows at p: a sharp picture that was moved down by 1 px
has the shift (1, 0). Maps are over windows, see `lfsynth.correlation.Windows`.

Give linear light. A lens adds light, so blur that is symmetric in linear light stretches towards the bright side
of an edge in encoded values, and reads as a shift of that edge: over pairs made from a light field, 95 % of
the local shifts are below 0.04 px in linear light and below 0.10 px in sRGB values. Encoded pictures work,
with that error.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.correlation import Plane, Windows, band_pass, peaks, product, search
from lfsynth.registration import Registration, register
from lfsynth.similarity import Similarity

Mask = NDArray[np.bool_]


class Verdict(Enum):
    """What is said of a pair."""

    ALIGNED = "aligned"
    MISALIGNED = "misaligned"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Options:
    """How a pair is judged.

    Attributes
    ----------
    window : px, the distance from a window's centre at which its weight is zero. 32: about 50 x 50 px count,
        enough for 0.02 to 0.05 px in usual texture, and small beside the regions that are in focus
    stride : px from window to window, a divisor of `window`. 8: a quarter of it, finer maps tell no more
    radius : px, the search's largest shift along y and x. 6: twice what 0.3 degrees or 0.5 % of scale move the
        corners of a 688 x 1008 picture by; the time grows with its square. A shift of the whole picture is found
        beyond it
    threshold : px, more than this is misaligned. 0.3: on real LFDOF pairs the fitted shift stays below 0.06 px and
        95 % of the local ones below 0.15 px, with 2 % of noise below 0.1 px and 0.2 px
    focus : largest blur of a window that is in focus, in units of `lfsynth.shift_field.REFERENCE_BLUR`'s effect.
        0.5 is a Gaussian blur of 0.8 px; regions of LFDOF inputs that look sharp have 0 to 0.4
    precision : px, a window's shift is valid if its standard error along y and x is below this
    least_area : least share of the windows in focus for a verdict
    """

    window: int = 32
    stride: int = 8
    radius: int = 6
    threshold: float = 0.3
    focus: float = 0.5
    precision: float = 0.1
    least_area: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.stride < 2 or self.window < 2 * self.stride or self.window % self.stride:
            raise ValueError(
                f"window must be a multiple of stride, twice it or more, and stride 2 or more, "
                f"not {self.window} and {self.stride}"
            )
        if not 1 <= self.radius <= 64:
            raise ValueError(f"radius must be 1 to 64 px, not {self.radius}")
        if not (self.threshold > 0 and self.focus > 0 and self.precision > 0):
            raise ValueError("threshold, focus and precision must be above 0")
        if not 0 < self.least_area <= 1:
            raise ValueError(f"least_area must be above 0 and at most 1, not {self.least_area}")


@dataclass(frozen=True, eq=False)
class Alignment:
    """What was found about a pair.

    Attributes
    ----------
    verdict : the verdict
    reasons : plain sentences, without a full stop
    shift : (dy, dx) px where the pictures are farthest apart, None where it is not known
    where : (y, x) px of that place
    similarity : fitted to the windows in focus; None where there are too few
    focus_share : share of the windows that are in focus and take part
    astray_share : share of the windows in focus whose shift is valid, beyond the threshold, and not that of the
        similarity
    resemblance : correlation of the pictures as wholes, seen from afar, -1..1
    correlation : (rows, columns) float32, ZNCC at zero shift; NaN where either picture is flat
    best : (rows, columns) float32, the greatest ZNCC within the search radius; NaN where flat
    field : (rows, columns, 2) float32 px (dy, dx), NaN where not valid
    valid : (rows, columns) bool, in focus and known to `Options.precision` along y and x
    in_focus : (rows, columns) bool. Found by how far the blurred picture is, in the window, the sharp one blurred (see
        `shift_field`): at most `Options.focus`, with a standard error of at most 0.2, and the sharp picture
        explaining at least half of the blurred one's variance. Noise
        in the sharp picture makes the other seem the more blurred
    reduction : 1, or 2 where too little was in focus at full size and half the size was looked at: `in_focus`, `valid`
        and `field` then have pairs of rows and columns that are alike
    windows : geometry of the maps
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    shift: tuple[float, float] | None
    where: tuple[float, float] | None
    similarity: Similarity | None
    focus_share: float
    astray_share: float
    resemblance: float
    correlation: Plane
    best: Plane
    field: NDArray[np.float32]
    valid: Mask
    in_focus: Mask
    reduction: int
    windows: Windows


_FAR = 0.9
"""Quantile over the windows of the fitted shift's length that is compared with the threshold."""

_SURE = 3.0
"""Standard errors between a shift and the threshold, or zero, that make it certain."""

_ASTRAY = 0.15
"""Share of the valid windows that may be beyond the threshold in a pair that is aligned."""

_UNLIKE = 0.4
"""Resemblance below which two pictures show different things."""

_FLAT = 0.01
"""Contrast, the deviation in the pass band over the mean level plus `_DARK`, below which a window is flat."""

_DARK = 0.02


def check_pair(
    blurred: NDArray[np.float32], sharp: NDArray[np.float32], options: Options | None = None
) -> Alignment:
    """Judge whether a pair is aligned.

    Parameters
    ----------
    blurred, sharp : (H, W, C) float32, linear light, finite; C is 1 or 3 and may differ between them, of which
        the mean is taken; at least 3 windows high and wide
    options : None: the defaults

    Returns
    -------
    Alignment

    Raises
    ------
    TypeError
        for another dtype or rank
    ValueError
        where the sizes differ or are too small
    """
    options = options or Options()
    for picture in (blurred, sharp):
        if picture.dtype != np.float32 or picture.ndim != 3 or picture.shape[2] not in (1, 3):
            raise TypeError(f"pictures must be float32 [y, x, 1|3], not {picture.dtype} {picture.shape}")
    if blurred.shape[:2] != sharp.shape[:2]:
        raise ValueError(f"the pictures differ in size: {blurred.shape[:2]} and {sharp.shape[:2]}")
    if min(blurred.shape[:2]) < 3 * options.window:
        raise ValueError(f"pictures must be at least {3 * options.window} px high and wide")
    windows = Windows((blurred.shape[0], blurred.shape[1]), options.window, options.stride)
    grey_b, grey_s = _grey(blurred), _grey(sharp)
    b, s = band_pass(grey_b), band_pass(grey_s)
    flat = _flat(b, grey_b, windows) | _flat(s, grey_s, windows)
    volume = search(b, s, windows, options.radius)
    volume[..., flat] = 0
    correlation = volume[options.radius, options.radius].copy()
    best, _ = peaks(volume)
    for plane in (correlation, best):
        plane[flat] = np.nan
    found = register(
        grey_b,
        grey_s,
        windows,
        volume,
        focus=options.focus,
        precision=options.precision,
        least_area=options.least_area,
    )
    astray = _astray(found, windows, options)
    resemblance = _resemblance(grey_b, grey_s)
    verdict, reasons, at = _judge(found, astray, resemblance, windows, options)
    shift, where = None, None
    if at is not None and found.similarity is not None:
        y, x = windows.centres[at]
        dy, dx = found.field[at] if astray[at] else found.similarity.shifts(windows.centres[at])
        shift, where = (float(dy), float(dx)), (float(y), float(x))
    return Alignment(
        verdict=verdict,
        reasons=tuple(reasons),
        shift=shift,
        where=where,
        similarity=found.similarity,
        focus_share=float(found.in_focus.mean()),
        astray_share=_share(astray, found.valid),
        resemblance=resemblance,
        correlation=correlation,
        best=best,
        field=found.field,
        valid=found.valid,
        in_focus=found.in_focus,
        reduction=found.reduction,
        windows=windows,
    )


def _share(part: Mask, whole: Mask) -> float:
    return float(part.sum() / max(whole.sum(), 1))


def _grey(picture: NDArray[np.float32]) -> Plane:
    channels = picture.shape[2]
    if channels == 1:
        return np.ascontiguousarray(picture[:, :, 0])
    return np.asarray(cv2.transform(picture, np.full((1, channels), 1 / channels, np.float32)), np.float32)


def _flat(band: Plane, grey: Plane, windows: Windows) -> Mask:
    full = windows.gather(np.ones(windows.shape, np.float32))
    deviation = np.sqrt(np.maximum(windows.mean(product(band, band)) / full, 0))
    return np.asarray(deviation < _FLAT * (np.abs(windows.mean(grey)) / full + _DARK))


def _resemblance(b: Plane, s: Plane) -> float:
    """Correlation of the pictures at a size at which defocus does not show, tones compressed."""
    height, width = b.shape
    reduce = max(height, width) / 32
    size = (max(2, round(width / reduce)), max(2, round(height / reduce)))
    small = [np.sqrt(np.maximum(cv2.resize(p, size, interpolation=cv2.INTER_AREA), 0)) for p in (b, s)]
    left, right = (p.astype(np.float64) - p.mean() for p in small)
    power = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / power if power > 1e-12 else 0.0


def _astray(found: Registration, windows: Windows, options: Options) -> Mask:
    """Windows beyond the threshold that the similarity does not explain."""
    if found.similarity is None:
        return np.zeros_like(found.valid)
    off = np.linalg.norm(found.field - found.similarity.shifts(windows.centres), axis=-1)
    far = np.linalg.norm(found.field, axis=-1)
    # NaN, where the field is not valid, is beyond nothing
    return np.asarray((off > options.threshold) & (far > options.threshold))


def _judge(
    found: Registration, astray: Mask, resemblance: float, windows: Windows, options: Options
) -> tuple[Verdict, list[str], tuple[int, int] | None]:
    """Verdict, reasons and the window (row, column) where the pictures are farthest apart."""
    fit = found.similarity
    share = float(found.in_focus.mean())
    if fit is None:
        if resemblance < _UNLIKE:
            text = f"the pictures show different things: from afar their correlation is {resemblance:.2f}"
            return Verdict.MISALIGNED, [text], None
        text = (
            f"{share:.1%} of the picture is in focus in the input and has texture; a verdict takes "
            f"{options.least_area:.1%}"
        )
        return Verdict.CANNOT_TELL, [text], None
    shifts = fit.shifts(windows.centres)
    lengths = np.where(found.in_focus, np.linalg.norm(shifts, axis=-1), -1)
    at = _window(np.argsort(lengths, axis=None)[::-1][int((1 - _FAR) * found.in_focus.sum())], windows)
    dy, dx = shifts[at]
    length, error = float(lengths[at]), float(np.hypot(*fit.shift_error))
    if length > options.threshold and length > _SURE * error:
        text = f"the sharp picture is moved by {_words(dy, dx)} {_place(at, windows)}"
        return Verdict.MISALIGNED, [text, *_turned(fit)], at
    if _share(astray, found.valid) > _ASTRAY and astray.sum() > windows.overlap:
        middle = np.median(found.field[astray], axis=0)
        off = np.where(astray, np.linalg.norm(found.field - middle, axis=-1), np.inf)
        at = _window(off.argmin(), windows)
        text = (
            f"{_share(astray, found.valid):.0%} of the region in focus is moved apart from the rest, by "
            f"{_words(*middle)} {_place(at, windows)}"
        )
        return Verdict.MISALIGNED, [text], at
    if error > options.threshold / 2:
        text = f"the region in focus tells the shift to {error:.2f} px only"
        return Verdict.CANNOT_TELL, [text], at
    text = f"{share:.1%} of the picture is in focus in the input, and moved by {length:.2f} px there"
    return Verdict.ALIGNED, [text], at


def _window(index: np.intp, windows: Windows) -> tuple[int, int]:
    row, column = divmod(int(index), windows.shape[1])
    return row, column


def _words(dy: float, dx: float) -> str:
    return f"{abs(dy):.2f} px {'down' if dy >= 0 else 'up'} and {abs(dx):.2f} px {'right' if dx >= 0 else 'left'}"


def _place(at: tuple[int, int], windows: Windows) -> str:
    y, x = windows.centres[at]
    return f"at y {y:.0f}, x {x:.0f}"


def _turned(fit: Similarity) -> list[str]:
    """Sentences on rotation and scale, where they are certain."""
    said = []
    if abs(fit.rotation) > _SURE * fit.rotation_error:
        turn = "counter-clockwise" if fit.rotation > 0 else "clockwise"
        said.append(f"it is turned by {abs(fit.rotation):.2f} degrees {turn}")
    if abs(fit.scale - 1) > _SURE * fit.scale_error:
        said.append(f"it is scaled by {fit.scale:.4f}")
    return said

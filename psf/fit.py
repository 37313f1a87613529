"""Fit models to an estimated kernel, with errors of their parameters, and choose among them.

A model's kernel, of sum 1 in the same frame, is brought to the data by least squares in its own parameters, its centre
(y, x) and its brightness. Errors of neighbouring pixels of an estimated kernel hang together: their spectrum is taken
from the residual, and both the parameters' errors and the number of independent pixels in the information criteria
follow from it.

References
----------
.. [1] K. P. Burnham, D. R. Anderson, "Model Selection and Multimodel Inference", 2002, section 2.4 (AIC and BIC by
   least squares), doi:10.1007/b97636.
.. [2] H. White, "A heteroskedasticity-consistent covariance matrix estimator", Econometrica 48, 1980,
   doi:10.2307/1912934 (the covariance of least squares whose errors are not independent).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares

from psf.families import FAMILIES, Family
from psf.merit import Kernel, centre_of_mass, measure, unit_sum
from psf.models import Model, kernel

SMOOTHING = 5
"""Neighbouring frequencies over which the residual's spectrum is averaged, on either axis."""
MOST_STARTS = 3
"""Best points of the coarse search from which the fit is refined."""
NUISANCE = 4
"""Numbers fitted beside the model's own: centre y and x, brightness, and the variance of the residual."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model fitted to a kernel.

    Attributes
    ----------
    family : name of the model's family
    model : at the best parameters
    parameters, errors : by name, px unless the family says otherwise; standard errors, 0 for what was given
    centre, centre_errors : (y, x) of the model from the middle of the middle pixel, px
    brightness : factor of the model's kernel that fits best, 1 for a perfect model
    relative_l2 : |data - model| / |data|
    residual : (n, n) data less model, over the data's error where that was given
    free : how many of the model's own parameters were fitted
    """

    family: str
    model: Model
    parameters: dict[str, float]
    errors: dict[str, float]
    centre: tuple[float, float]
    centre_errors: tuple[float, float]
    brightness: float
    relative_l2: float
    residual: NDArray[np.float64]
    free: int


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fit with its information criteria: the lower, the better; only differences mean anything."""

    fit: Fit
    aic: float
    bic: float


def fit(
    data: Kernel,
    family: str,
    *,
    families: Mapping[str, Family] = FAMILIES,
    fixed: Mapping[str, float] | None = None,
    sigma: NDArray[np.float64] | None = None,
    pixel: float = 1.0,
) -> Fit | None:
    """Fit one family of models.

    Parameters
    ----------
    data : (n, n) estimated kernel, n odd; it is divided by its sum
    family : a key of ``families``
    families : what can be fitted
    fixed : values of parameters that are known, by name
    sigma : (n, n) standard errors of the data; equal for all pixels where not given
    pixel : side of the pixel, 1 for the system's kernel and 0 for the optical one

    Returns
    -------
    the fit, or None where the family does not apply: nothing in the data tells where to begin

    Raises
    ------
    ValueError
        If the data are no kernel, the errors are not positive, or the family or a fixed parameter is unknown.
    """
    total = float(np.sum(data))
    data = unit_sum(data)
    if family not in families:
        raise ValueError(f"there is no family of models {family!r}, but {', '.join(families)}")
    kind = families[family]
    known = dict(fixed or {})
    unknown = set(known) - set(kind.parameters)
    if unknown:
        raise ValueError(f"{family} has no parameter {', '.join(sorted(unknown))}")
    if sigma is not None and (
        sigma.shape != data.shape or not np.isfinite(sigma).all() or not (sigma > 0).all()
    ):
        raise ValueError("errors of the data must be positive, one for each pixel")
    weight = np.ones_like(data) if sigma is None else total / sigma
    free = [name for name in kind.parameters if name not in known]
    return _Problem(data, weight, family, kind, known, free, pixel).solve()


def choose(
    data: Kernel,
    *,
    families: Mapping[str, Family] = FAMILIES,
    fixed: Mapping[str, float] | None = None,
    sigma: NDArray[np.float64] | None = None,
    pixel: float = 1.0,
) -> list[Candidate]:
    """Fit every family that applies and order them by the Bayesian information criterion, best first.

    Parameters
    ----------
    data, families, sigma, pixel : as in `fit`
    fixed : values of known parameters, by name, for every family that has them

    Returns
    -------
    one candidate or more

    Raises
    ------
    ValueError
        As `fit`, or if no family applies.
    """
    fits = []
    for name, kind in families.items():
        known = {key: value for key, value in (fixed or {}).items() if key in kind.parameters}
        found = fit(data, name, families=families, fixed=known, sigma=sigma, pixel=pixel)
        if found is not None:
            fits.append(found)
    if not fits:
        raise ValueError("no family of models applies to this kernel")
    # the best fit's residual is the closest to pure noise: it tells how many pixels are independent
    best = min(fits, key=lambda one: float((one.residual**2).sum()))
    spectrum = _spectrum(best.residual)
    samples = best.residual.size * float(spectrum.mean()) ** 2 / float((spectrum**2).mean())
    candidates = []
    for one in fits:
        misfit = samples * math.log(float((one.residual**2).mean()))
        count = one.free + NUISANCE
        candidates.append(Candidate(one, misfit + 2 * count, misfit + count * math.log(samples)))
    return sorted(candidates, key=lambda one: one.bic)


@dataclass(frozen=True, eq=False)
class _Problem:
    """One least-squares problem: the vector fitted is the free parameters, then the centre's y and x."""

    data: NDArray[np.float64]
    weight: NDArray[np.float64]
    family: str
    kind: Family
    known: dict[str, float]
    free: list[str]
    pixel: float

    def solve(self) -> Fit | None:
        merit = measure(self.data)
        guesses = self.kind.guess(self.data, merit)
        if guesses is None:
            return None
        centre = centre_of_mass(self.data)
        grid = itertools.product(*(guesses[name] for name in self.free))
        starts = [np.array([*values, *centre]) for values in grid]
        starts.sort(key=lambda x: float((self.residual(x) ** 2).sum()))
        low = np.array([self.kind.parameters[name][0] for name in self.free] + [-len(self.data) / 2] * 2)
        high = np.array([self.kind.parameters[name][1] for name in self.free] + [len(self.data) / 2] * 2)
        scale = np.array([max(abs(value), 0.1) for value in starts[0][:-2]] + [1.0, 1.0])
        found = min(
            (
                least_squares(
                    self.residuals,
                    np.clip(start, low + 1e-9, high - 1e-9),
                    bounds=(low, high),
                    x_scale=scale,
                    diff_step=np.full(len(start), 1e-4),
                    xtol=1e-5,
                    ftol=1e-7,
                )
                for start in starts[:MOST_STARTS]
            ),
            key=lambda result: float(result.cost),
        )
        return self.report(np.asarray(found.x), np.asarray(found.jac))

    def report(self, x: NDArray[np.float64], jacobian: NDArray[np.float64]) -> Fit:
        values = self.values(x)
        picture = self.picture(x)
        brightness = self.brightness(picture)
        residual = self.residual(x)
        error = _errors(jacobian, residual)
        errors = dict.fromkeys(self.kind.parameters, 0.0) | dict(zip(self.free, error, strict=False))
        off = float(np.linalg.norm(self.data - brightness * picture) / np.linalg.norm(self.data))
        return Fit(
            family=self.family,
            model=self.kind.build(values),
            parameters=values,
            errors=errors,
            centre=(float(x[-2]), float(x[-1])),
            centre_errors=(error[-2], error[-1]),
            brightness=brightness,
            relative_l2=off,
            residual=residual,
            free=len(self.free),
        )

    def values(self, x: NDArray[np.float64]) -> dict[str, float]:
        fitted = dict(zip(self.free, (float(value) for value in x), strict=False))
        return {name: self.known.get(name, fitted.get(name, math.nan)) for name in self.kind.parameters}

    def picture(self, x: NDArray[np.float64]) -> Kernel:
        model = self.kind.build(self.values(x))
        return kernel(model, len(self.data), centre=(float(x[-2]), float(x[-1])), pixel=self.pixel)

    def brightness(self, picture: Kernel) -> float:
        square = self.weight**2
        return float((square * self.data * picture).sum() / (square * picture**2).sum())

    def residuals(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.residual(x).ravel()

    def residual(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        picture = self.picture(x)
        return (self.data - self.brightness(picture) * picture) * self.weight


def _spectrum(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of the residual's errors by frequency (n, n): its periodogram, smoothed; the mean is the mean square."""
    periodogram = np.abs(np.fft.fft2(residual)) ** 2 / residual.size
    return np.asarray(uniform_filter(periodogram, SMOOTHING, mode="wrap"))


def _errors(jacobian: NDArray[np.float64], residual: NDArray[np.float64]) -> list[float]:
    """Standard errors of parameters fitted by least squares, for errors of the data that hang together.

    cov = H J' S J H with H = (J' J)^-1 and S the errors' covariance, whose eigenvalues are their spectrum.
    """
    n = len(residual)
    columns = jacobian.reshape(n, n, -1)
    transformed = np.fft.fft2(columns, axes=(0, 1)).reshape(n * n, -1) / n
    power = _spectrum(residual).reshape(-1, 1) * residual.size / max(residual.size - columns.shape[2] - 1, 1)
    middle = np.real(np.conj(transformed).T @ (power * transformed))
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    return [float(value) for value in np.sqrt(np.maximum(np.diag(inverse @ middle @ inverse), 0.0))]

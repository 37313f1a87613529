"""What plenpy 0.9.2 needs to run beside numpy 2, scipy 1.17 and setuptools 81 or later, one function a fault.

`patched` is the context in which the library is imported and works. Each patch is a context of its own, gives back
what it changed, and has a test that fails when plenpy no longer needs it. All of them act on plenpy's own modules or on
what importing it changes; the patches are not for several threads at a time, since warnings, the import system and
plenpy's modules belong to the process.

``plenpy.testing`` opens a network connection when it is imported, and is left alone.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import imageio
import numpy as np

from lfsynth.errors import InputError

_ABSENT = object()


@dataclass(frozen=True)
class Library:
    """The modules of plenpy that decoding uses.

    Attributes
    ----------
    illum : ``plenpy.cameras.lytro_illum``, with the camera
    camera : ``plenpy.cameras.abstract_lightfield_camera``, with calibration and resampling
    grids : ``plenpy.utilities.grids``
    """

    illum: Any
    camera: Any
    grids: Any


class Overlay:
    """A module as seen by another one, with some of its names replaced."""

    def __init__(self, module: Any, **replaced: Any) -> None:
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def patched() -> Iterator[Library]:
    """plenpy, imported and made to work, for the length of the context.

    Raises
    ------
    InputError
        if plenpy is not installed
    """
    with ExitStack() as stack:
        library = stack.enter_context(imported())
        for patch in PATCHES:
            stack.enter_context(patch(library))
        yield library


@contextmanager
def imported() -> Iterator[Library]:
    """The library as it is, with only what its import needs.

    The modules stay loaded, as those of any library do, and the second time costs nothing.

    Raises
    ------
    InputError
        if plenpy is not installed
    """
    if find_spec("plenpy") is None:
        raise InputError("plenpy", "is not installed", "install it with pip install plenpy==0.9.2")
    with ExitStack() as stack:
        for guard in (deprecations_unheard, imageio_order_kept, root_logger_kept, _less_talk):
            stack.enter_context(guard())
        for stub in (pkg_resources_stub, ms_lytro_stub):
            stack.enter_context(stub())
        library = Library(
            importlib.import_module("plenpy.cameras.lytro_illum"),
            importlib.import_module("plenpy.cameras.abstract_lightfield_camera"),
            importlib.import_module("plenpy.utilities.grids"),
        )
        yield library


@contextmanager
def deprecations_unheard() -> Iterator[None]:
    """Deprecated names, ``numpy.core`` and ``scipy.ndimage.filters``, are what plenpy and what it uses import from.

    Where warnings are errors, as in the tests, they would stop the import. Changes of the warnings' filters end here
    too. And plenpy divides by the black between two lenses, on which numpy has something to say.
    """
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def imageio_order_kept() -> Iterator[None]:
    """Importing plenpy puts FreeImage and the Lytro formats first in imageio, for every reader of the process."""
    plugins = imageio.config.known_plugins
    order = dict(plugins)
    extensions = [entry for entries in imageio.config.known_extensions.values() for entry in entries]
    priorities = [list(entry.priority) for entry in extensions]
    try:
        yield
    finally:
        plugins.clear()
        plugins.update(order)
        for entry, priority in zip(extensions, priorities, strict=True):
            entry.priority[:] = priority


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """Importing plenpy gives the root logger a handler, and everyone's messages go to the standard error stream."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def pkg_resources_stub() -> Iterator[None]:
    """``plenpy.utilities.colors`` finds its data through pkg_resources, which setuptools 81 and later have not."""

    def resource_filename(package: str, name: str) -> str:
        """Path of a file beside a package."""
        return str(Path(str(sys.modules[package].__file__)).parent / name)

    with _module("pkg_resources", resource_filename=resource_filename):
        yield


@contextmanager
def ms_lytro_stub() -> Iterator[None]:
    """``plenpy.cameras`` imports a multispectral camera, and with it torch and torchvision; decoding uses neither."""
    with _module("plenpy.cameras.ms_lytro", MsLytro=object):
        yield


@contextmanager
def gradient_as_list(library: Library) -> Iterator[None]:
    """``np.gradient`` returns a tuple since numpy 2, and the guided resampling writes into what it returns."""

    def gradient(*arguments: Any, **options: Any) -> list[Any]:
        """As numpy's, in a list."""
        return list(np.gradient(*arguments, **options))

    with replaced(library.camera, "np", Overlay(library.camera.np, gradient=gradient)):
        yield


@contextmanager
def magnification_as_float(library: Library) -> Iterator[None]:
    """``int`` of an array of one element raises since numpy 2.4; the magnification comes as such an array."""
    camera = library.camera.AbstractLightFieldCamera
    original = camera._get_ml_centers_prop

    def centres(wi: Any, lam_est: Any) -> Any:
        """As plenpy's, with a magnification that is a number."""
        return original(wi=wi, lam_est=float(np.squeeze(lam_est)))

    with replaced(camera, "_get_ml_centers_prop", staticmethod(centres)):
        yield


@contextmanager
def offset_without_comparison(library: Library) -> Iterator[None]:
    """``array == []`` raises since numpy 1.25; plenpy asks so whether there is any lens."""
    camera = library.camera.AbstractLightFieldCamera

    def offset(wi: Any, lam_est: Any, spacing_est: Any, rotation_est: Any, grid_type: str) -> Any:
        """As plenpy's, with a question that numpy answers."""
        centres, window = camera._get_ml_centers_prop(wi=wi, lam_est=lam_est)
        if len(centres) == 0:
            raise ValueError("Could not estimate microlens centers...")
        grid = {"spacing_est": spacing_est, "rotation_est": rotation_est, "grid_type": grid_type}
        first = camera._est_offset(ml_centers=centres, size=wi.shape, **grid)
        return camera._est_offset(ml_centers=centres, size=wi.shape, offset_init=first, window=window, **grid)

    with replaced(camera, "_est_grid_offset_prop", staticmethod(offset)):
        yield


@contextmanager
def optimiser_seeded(library: Library) -> Iterator[None]:
    """The calibration's optimiser is given no seed: the same white picture gives another grid each time."""
    original = library.camera.differential_evolution

    def seeded(*arguments: Any, **options: Any) -> Any:
        """As scipy's, with a seed."""
        return original(*arguments, **{**options, "seed": 0})

    with replaced(library.camera, "differential_evolution", seeded):
        yield


@contextmanager
def optimiser_in_threads(library: Library) -> Iterator[None]:
    """The optimiser asks for processes; scipy 1.17 starts them afresh, and there plenpy does not import.

    Threads work as well: nearly all of the time goes into Fourier transforms, during which Python is free.
    """
    original = library.camera.differential_evolution

    def threaded(*arguments: Any, **options: Any) -> Any:
        """As scipy's, with threads."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return original(*arguments, **{**options, "workers": pool.map})

    with replaced(library.camera, "differential_evolution", threaded):
        yield


PATCHES: tuple[Callable[[Library], Any], ...] = (
    gradient_as_list,
    magnification_as_float,
    offset_without_comparison,
    optimiser_seeded,
    optimiser_in_threads,
)
"""What acts on the library once it is imported."""


@contextmanager
def _less_talk() -> Iterator[None]:
    """Every step is told as information; kept from the root logger, only warnings are heard."""
    logger = logging.getLogger("plenpy")
    propagate = logger.propagate
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagate


@contextmanager
def _module(name: str, **contents: Any) -> Iterator[None]:
    """A module of that name and these contents, in place of what is there."""
    before = sys.modules.get(name, _ABSENT)
    module = ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is _ABSENT:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before  # type: ignore[assignment]


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another value for an attribute of a module or a class."""
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

"""plenpy's ``get_refocus`` on the light field of ``benchmarks/refocus.py``, in an environment of its own.

plenpy 0.9.2 does not run beside current libraries. In a fresh folder::

    python3.11 -m venv old && old/bin/pip install "scipy<1.14" "numpy<2" "setuptools<81" plenpy==0.9.2
    old/bin/python benchmarks/plenpy_refocus.py

It prints the seconds of 12 slopes through one aperture, asked for in one call, which is how plenpy is fastest; five
apertures cost five times as much.
"""

import sys
import time
import types

import numpy as np

# plenpy.cameras imports torchvision through this module, which refocusing does not need.
stub = types.ModuleType("plenpy.cameras.ms_lytro")
stub.MsLytro = object
sys.modules["plenpy.cameras.ms_lytro"] = stub
from plenpy.lightfields import LightField  # noqa: E402

views = np.random.default_rng(0).random((13, 13, 434, 625, 3), dtype=np.float32)
lightfield = LightField(views)
began = time.perf_counter()
lightfield.get_refocus(list(np.linspace(-1, 1, 12)))
seconds = time.perf_counter() - began
print(f"plenpy get_refocus: {seconds:.1f} s for 12 slopes, {5 * seconds:.0f} s for 12 slopes x 5 apertures")

"""Kernels on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.pictures import write
from psf.kernel_files import read_kernel, read_kernels
from psf.models import Pillbox, kernel

DISK = kernel(Pillbox(3.0), 11)


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir()
    for number, name in enumerate(names):
        np.save(path / f"{name}.npy", (number + 1) * DISK)
    kernels = [{"name": name, "files": {"system": f"{name}.npy"}} for name in names]
    (path / "estimate.json").write_text(json.dumps({"kernels": kernels}))
    return path


def test_arrays_and_tiffs(tmp_path: Path) -> None:
    np.save(tmp_path / "disk.npy", 3 * DISK)
    write(tmp_path / "disk.tiff", DISK[:, :, None].astype(np.float32), bits=32)
    array, tiff = read_kernel(tmp_path / "disk.npy"), read_kernel(str(tmp_path / "disk.tiff"))
    assert (array.name, tiff.name) == ("disk", "disk")
    np.testing.assert_array_equal(array.kernel, 3 * DISK)
    np.testing.assert_array_equal(tiff.kernel, DISK.astype(np.float32))
    assert array.kernel.dtype == tiff.kernel.dtype == np.float64


def test_the_only_kernel_of_an_estimate(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shot", "g")
    for text in (folder, folder / "estimate.json"):
        found = read_kernel(text)
        assert found.name == "shot"
        np.testing.assert_array_equal(found.kernel, DISK)


def test_a_named_kernel_of_an_estimate(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "shot", "g", "r_1-3")
    for text in (f"{folder}:r_1-3", f"{folder}/:r_1-3", f"{folder}/estimate.json:r_1-3"):
        found = read_kernel(text)
        assert found.name == "shot:r_1-3"
        np.testing.assert_array_equal(found.kernel, 2 * DISK)


def test_files_may_have_colons(tmp_path: Path) -> None:
    np.save(tmp_path / "f:4.npy", DISK)
    assert read_kernel(tmp_path / "f:4.npy").name == "f:4"


def test_kernels_of_one_name_are_called_as_asked(tmp_path: Path) -> None:
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "g.npy", DISK)
    np.save(tmp_path / "other.npy", DISK)
    texts = [tmp_path / "a/g.npy", tmp_path / "other.npy", tmp_path / "b/g.npy"]
    assert list(read_kernels(texts)) == [str(texts[0]), "other", str(texts[2])]
    with pytest.raises(InputError, match="it is given twice; name each kernel once"):
        read_kernels([texts[0], texts[0]])


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "colour.tiff", np.ones((5, 5, 3), np.float32), bits=32)
    np.save(tmp_path / "even.npy", np.ones((4, 4)))
    np.save(tmp_path / "nan.npy", np.full((3, 3), np.nan))
    np.save(tmp_path / "dark.npy", np.zeros((3, 3)))
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "notes.txt").write_text("no kernel")
    (tmp_path / "estimate.json").write_text('{"kernels": []}')
    (tmp_path / "empty").mkdir()
    folder_of(tmp_path / "two", "g", "r")
    for name, message in (
        ("colour.tiff", "it has 3 channels"),
        ("even.npy", "odd number of pixels on a side, not \\(4, 4\\)"),
        ("nan.npy", "must be finite"),
        ("dark.npy", "sum must be positive"),
        ("text.npy", "its values are <U1, not numbers"),
        ("cut.npy", "it cannot be read"),
        ("notes.txt", "it is no file of a kernel"),
        ("none.npy", "there is no such file"),
        ("none", "there is no such file"),
        ("estimate.json", "psf estimate did not write it"),
        ("empty", "there is no such file; name a kernel, or a folder of psf estimate"),
        ("two", "it tells of 2 kernels: g, r; name one, as .*two:g"),
        ("two:b", "it has no kernel 'b'; choose of g, r"),
    ):
        with pytest.raises(InputError, match=message):
            read_kernel(tmp_path / name)

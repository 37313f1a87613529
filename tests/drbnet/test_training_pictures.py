"""Pictures of a validation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from drbnet.models.drbnet import Step
from drbnet.training_pictures import CELL, GAP, TITLE, write_comparison, write_scales
from lfsynth.errors import InputError
from lfsynth.pictures import read


def test_pairs_stand_side_by_side(tmp_path: Path) -> None:
    rows = [tuple(torch.full((3, 80, 70), value) for value in (-1.0, 0.0, 3.0)) for _ in range(2)]
    write_comparison(tmp_path / "new/some.png", [(a, b, c) for a, b, c in rows])
    shown = read(tmp_path / "new/some.png")
    assert shown.shape == (TITLE + 2 * (80 + GAP), 3 * 70 + 2 * GAP, 3)
    for row in range(2):
        top = TITLE + row * (80 + GAP)
        for column, code in enumerate((0, 128, 255)):
            left = column * (70 + GAP)
            assert (shown[top : top + 80, left : left + 70] == code).all()


def test_scales_show_kernels_and_residuals(tmp_path: Path) -> None:
    kernels = torch.zeros(1, 9, 16, 24)
    kernels[:, 4] = 0.5
    kernels[:, 0] = -0.5
    picture = torch.zeros(1, 3, 16, 24)
    step = Step(picture, kernels, picture + 0.25, None, picture + 1)
    write_scales(tmp_path / "some.png", [step, step])
    shown = read(tmp_path / "some.png")
    assert shown.shape == (TITLE + 2 * (CELL + GAP), 6 * CELL + 5 * GAP, 3)

    def cell(column: int) -> np.ndarray:
        left = column * (CELL + GAP)
        return shown[TITLE : TITLE + CELL, left : left + CELL]

    for column in (1, 2):
        assert (cell(column)[CELL // 2, CELL // 2] == 255).all()  # the middle weight
        assert (cell(column)[2, 2] == 0).all()  # that of the upper left
        assert (cell(column)[2, CELL // 2] == 128).all()  # one that is 0
    # 0.25, shown twice as strong about grey
    assert (cell(3)[10, 10] == 191).all()
    assert (cell(4) == 255).all()  # there is no residual
    # 16 x 24 px keep their shape
    assert (cell(5)[CELL * 16 // 24 + 2 :] == 255).all()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="it cannot be written to"):
        write_comparison(tmp_path / "file/some.png", [(torch.zeros(3, 8, 8),) * 3])

from itertools import product
from pathlib import Path

import pytest

from lfsynth.errors import InputError
from lfsynth.readers.names import grid_of_names
from lfsynth.readers.options import Order

FOLDER = Path("scene")
GRID = list(product(range(3), range(4)))


def files(*names):
    return [FOLDER / name for name in names]


def names_of(grid):
    return [[file.name for file in row] for row in grid.files]


def flat(rows):
    return [name for row in rows for name in row]


@pytest.mark.parametrize(
    ("pattern", "base", "row_first"),
    [
        ("view_{:02d}_{:02d}.png", 0, True),
        ("{}_{}.png", 1, True),
        ("Cam_u{:02d}_v{:02d}.png", 0, True),
        ("IMG_r{}c{}.png", 1, True),
        ("lf_({},{}).png", 0, True),
        ("scene7_8bit_row{}-col{}.tif", 0, True),
        ("x{}_y{}.png", 0, False),
        ("s{}t{}.png", 1, False),
        ("view_{}_{}.png", -1, True),
    ],
)
def test_rows_and_columns_of_common_patterns(pattern, base, row_first):
    cells = {
        (u, v): pattern.format(*((u + base, v + base) if row_first else (v + base, u + base)))
        for u, v in GRID
    }
    grid = grid_of_names(FOLDER, files(*sorted(cells.values(), reverse=True)))
    assert grid.shape == (3, 4)
    assert all(grid.files[u][v].name == cells[u, v] for u, v in GRID)
    assert grid.understood["base"] == [base, base]
    assert grid.understood["order"].startswith("row first" if row_first else "column first")


def test_coordinates_with_decimals_are_no_index():
    names = [f"out_{u:02d}_{v:02d}_{-381.909271 - u:.6f}_{1103.376221 + v:.6f}.png" for u, v in GRID]
    grid = grid_of_names(FOLDER, files(*names))
    assert flat(names_of(grid)) == names
    assert "out_{ROW}_{COLUMN}_-381.909271_1103.376221" in grid.understood["pattern"]


def test_order_of_two_numbers_can_be_told():
    names = [f"view_{v}_{u}.png" for u, v in GRID]
    grid = grid_of_names(FOLDER, files(*names), order=Order.COLUMNS)
    assert flat(names_of(grid)) == names
    assert grid.understood["order"] == "column first, as the option says"


def test_a_running_index_counts_rows():
    names = [f"input_Cam{i:03d}.png" for i in range(9)]
    grid = grid_of_names(FOLDER, files(*reversed(names)))
    assert names_of(grid) == [names[:3], names[3:6], names[6:]]
    assert grid.understood == {
        "pattern": "input_Cam{INDEX}.png",
        "base": 0,
        "step": 1,
        "order": "rows, assumed",
    }


def test_a_running_index_without_padding_is_counted_not_sorted_as_text():
    names = [f"{i}.png" for i in range(1, 17)]
    assert flat(names_of(grid_of_names(FOLDER, files(*names)))) == names


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.ROWS, [[0, 1, 2], [3, 4, 5]]),
        (Order.COLUMNS, [[0, 2, 4], [1, 3, 5]]),
        (Order.SERPENTINE, [[0, 1, 2], [5, 4, 3]]),
    ],
)
def test_orders_of_a_running_index(order, expected):
    grid = grid_of_names(FOLDER, files(*(f"{i}.png" for i in range(6))), views=(2, 3), order=order)
    assert names_of(grid) == [[f"{i}.png" for i in row] for row in expected]
    assert grid.understood["order"] == f"{order.value}, as the option says"


def test_a_time_stamp_beside_a_running_index_is_passed_over():
    stamps = [17, 23, 24, 31, 40, 47, 52, 68, 70]
    names = [f"{i}_at_{stamp}.png" for i, stamp in enumerate(stamps)]
    assert flat(names_of(grid_of_names(FOLDER, files(*names)))) == names


def test_every_second_view_is_a_grid():
    grid = grid_of_names(FOLDER, files(*(f"v_{u}_{v}.png" for u in (1, 3, 5) for v in (0, 4, 8))))
    assert grid.shape == (3, 3)
    assert grid.understood["step"] == [2, 4]


def test_few_other_pictures_are_left_out_and_said():
    names = [f"view_{u}_{v}.png" for u, v in GRID]
    grid = grid_of_names(FOLDER, files(*names, "thumbnail.png", "mask_1.png"))
    assert grid.shape == (3, 4)
    assert grid.understood["left out"] == ["mask_1.png", "thumbnail.png"]


REFUSED = {
    "a hole in a grid": (
        [f"view_{u:02d}_{v:02d}.png" for u, v in GRID if (u, v) != (1, 2)],
        {},
        "1 of 12 views is missing: view_01_02.png; put",
    ),
    "a row that is missing": (
        [f"v_{u}_{v}.png" for u, v in product((0, 1, 3), range(2))],
        {},
        "2 of 8 views are missing: v_2_0.png, v_2_1.png; put",
    ),
    "a hole in a sequence": (
        [f"input_Cam{i:03d}.png" for i in range(81) if i != 40],
        {},
        "1 of 81 views is missing: input_Cam040.png; put",
    ),
    "the first or last of a sequence": (
        [f"input_Cam{i:03d}.png" for i in range(80)],
        {},
        "holds 80 views numbered 0 to 79, which is no square; put back the views .* or give --views UxV",
    ),
    "another number than told": (
        [f"{i}.png" for i in range(9)],
        {"views": (2, 4)},
        "holds 9 views numbered 0 to 8, not 2 x 4; .*correct --views",
    ),
    "another grid than told": (
        [f"{u}_{v}.png" for u, v in GRID],
        {"views": (4, 3)},
        "its names count 3 x 4 views, not 4 x 3; correct --views or leave it out",
    ),
    "one view twice": (
        [f"v_{u}_{v}.png" for u, v in GRID] + ["v_01_1.png"],
        {},
        r"v_01_1\.png and v_1_1\.png are the same view; remove one",
    ),
    "two formats": (
        [f"{i}.{s}" for i in range(4) for s in ("jpg", "png")],
        {},
        r"0\.jpg and 0\.png are the same view",
    ),
    "two sets": (
        [f"left_{i}.png" for i in range(9)] + [f"right_{i}.png" for i in range(9)],
        {},
        r"several sets of pictures: 9 like left_0\.png, 9 like right_0\.png; keep the views of one",
    ),
    "no numbers": (
        ["a.png", "a.jpg", "a.tif"],
        {},
        "its pictures are not numbered; name them view_ROW_COLUMN",
    ),
    "three indices": (
        [f"{t}_{u}_{v}.png" for t, u, v in product(range(2), range(3), range(3))],
        {},
        r"names like 0_0_0\.png hold 3 numbers, which do not say what row and column are; name the files",
    ),
    "numbers all over the place": (
        ["1_100.png", "7_300.png", "20_100.png", "50_900.png"],
        {},
        "are no row and column: 4 files would be 50 x 5 views; name the files",
    ),
    "serpentine of rows and columns": (
        [f"{u}_{v}.png" for u, v in GRID],
        {"order": Order.SERPENTINE},
        "--order: serpentine needs names with one running number; use rows or columns",
    ),
    "a single view": (["view_0_0.png"], {}, r"holds a single view, view_0_0\.png; .* needs several views"),
    "nothing": ([], {}, "holds no pictures; give a folder of sub-aperture pictures"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_names(case):
    names, options, message = case
    with pytest.raises(InputError, match=message):
        grid_of_names(FOLDER, files(*names), **options)

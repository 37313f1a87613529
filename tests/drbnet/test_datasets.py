from pathlib import Path

import pytest

from drbnet.datasets import Layout, Pairs, Reason, Split, find, find_folders
from lfsynth.errors import InputError
from lfsynth.pairs import find_pairs


def made(root: Path, *names: str) -> Path:
    """Empty files: pairs are found by names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def below(root: Path, found: Pairs) -> list[tuple[str, ...]]:
    """Paths of inputs and target of each pair, below the root."""
    return [
        tuple(p.relative_to(root).as_posix() for p in (*pair.inputs, pair.target) if p is not None)
        for pair in found.pairs
    ]


LFDOF = (
    "train_data/input/IMG_1/IMG_1_ap1_00.png",
    "train_data/input/IMG_1/IMG_1_ap3_04.png",
    "train_data/ground_truth/IMG_1.png",
    "test_data/input/IMG_2/IMG_2.png",
    "test_data/ground_truth/IMG_2.png",
)


DPDD_TEST = ("test_c/source/5.png", "test_c/target/6.png")


def test_lfdof_with_holes_in_a_sequence(tmp_path):
    made(tmp_path, *LFDOF, "train_data/input/IMG_1/Thumbs.db", "train_data/input/.IMG_9.1.partial/x.png")
    found = find(tmp_path)
    assert found.layout == Layout.LFDOF
    assert below(tmp_path, found) == [
        ("test_data/input/IMG_2/IMG_2.png", "test_data/ground_truth/IMG_2.png"),
        ("train_data/input/IMG_1/IMG_1_ap1_00.png", "train_data/ground_truth/IMG_1.png"),
        ("train_data/input/IMG_1/IMG_1_ap3_04.png", "train_data/ground_truth/IMG_1.png"),
    ]
    assert [pair.name for pair in find(tmp_path, split=Split.TRAIN).pairs] == list(LFDOF[:2])
    assert [pair.name for pair in find(tmp_path, split=Split.TEST).pairs] == [LFDOF[3]]
    # A split's folder is itself taken for any split.
    assert len(find(tmp_path / "train_data", split=Split.TEST)) == 2


@pytest.mark.parametrize("targets", ["ground_truth", "target"])
def test_flat_lfdof(tmp_path, targets):
    made(tmp_path, "input/IMG_1.png", "input/IMG_1_ap2_03.png", f"{targets}/IMG_1.tif")
    found = find(tmp_path)
    assert found.layout == Layout.LFDOF
    assert below(tmp_path, found) == [
        ("input/IMG_1.png", f"{targets}/IMG_1.tif"),
        ("input/IMG_1_ap2_03.png", f"{targets}/IMG_1.tif"),
    ]


def test_folders_of_the_same_names(tmp_path):
    made(tmp_path, "input/a/x.PNG", "input/x.jpg", "target/a/x.tif", "target/x.png")
    found = find(tmp_path)
    assert found.layout == Layout.FOLDERS
    pairs = [("input/a/x.PNG", "target/a/x.tif"), ("input/x.jpg", "target/x.png")]
    assert below(tmp_path, found) == pairs
    assert below(tmp_path, find_folders(tmp_path / "input", tmp_path / "target")) == pairs
    assert [pair.target for pair in find_folders(tmp_path / "input", None).pairs] == [None, None]


DPDD = [
    *(f"train_c/source/1P0A{n}.png" for n in (11, 22)),
    *(f"train_{view}/source/1P0A{n}_{view.upper()}.png" for view in "lr" for n in (11, 22)),
    *("train_c/target/1P0A12.png", "train_c/target/1P0A20.png"),
]
CROPS = [
    *(f"train/input{view}_crops/1P0A{n}-{k}.png" for view in "CLR" for n in (11, 22) for k in (1, 2, 10)),
    *(f"train/target_crops/1P0A{n}-{k}.png" for n in (12, 20) for k in (1, 2, 10)),
]
SECOND = [
    *(f"train/input{view}/1P0A{n}.png" for view in "CLR" for n in (11, 22)),
    *("train/target/1P0A12.png", "train/target/1P0A20.png"),
]


def test_dpdd_is_paired_in_sorted_order(tmp_path):
    found = find(made(tmp_path, *DPDD))
    assert found.layout == Layout.DPDD
    assert below(tmp_path, found) == [
        ("train_c/source/1P0A11.png", "train_c/target/1P0A12.png"),
        ("train_c/source/1P0A22.png", "train_c/target/1P0A20.png"),
    ]


def test_dpdd_dual_comes_as_combined_right_left(tmp_path):
    found = find(made(tmp_path, *DPDD), dual=True, split=Split.TRAIN)
    assert below(tmp_path, found)[1] == (
        "train_c/source/1P0A22.png",
        "train_r/source/1P0A22_R.png",
        "train_l/source/1P0A22_L.png",
        "train_c/target/1P0A20.png",
    )
    assert "2 pairs of three views, 2 targets" in found.describe()


@pytest.mark.parametrize("where", ["", "train"])
def test_second_layout_of_dpdd(tmp_path, where):
    made(tmp_path, *SECOND, *CROPS)
    found = find(tmp_path / where, dual=True, split=Split.TRAIN)
    assert below(tmp_path, found)[0] == (
        *(f"train/input{view}/1P0A11.png" for view in "CRL"),
        "train/target/1P0A12.png",
    )


def test_crops_of_dpdd(tmp_path):
    made(tmp_path, *CROPS)
    found = find(tmp_path, dual=True)
    assert found.layout == Layout.DPDD
    assert len(found) == 6
    assert below(tmp_path, found)[-1] == (
        *(f"train/input{view}_crops/1P0A22-2.png" for view in "CRL"),
        "train/target_crops/1P0A20-2.png",
    )


def test_realdof_pixeldp_cuhk(tmp_path):
    made(tmp_path / "RealDOF", "source/01.png", "target/01.png")
    made(tmp_path / "PixelDP", *(f"test_{view.lower()}/source/7_{view}.png" for view in "CRL"))
    made(tmp_path / "CUHK", "out_of_focus0001.jpg", "readme.txt")
    real = find(tmp_path / "RealDOF", split=Split.TEST)
    assert (real.layout, below(real.root, real)) == (Layout.REALDOF, [("source/01.png", "target/01.png")])
    pixel = find(tmp_path / "PixelDP", dual=True)
    views = tuple(f"test_{view.lower()}/source/7_{view}.png" for view in "CRL")
    assert (pixel.layout, below(pixel.root, pixel)) == (Layout.PIXELDP, [views])
    cuhk = find(tmp_path / "CUHK")
    assert (cuhk.layout, below(cuhk.root, cuhk)) == (Layout.CUHK, [("out_of_focus0001.jpg",)])
    assert cuhk.describe() == f"{tmp_path / 'CUHK'}: cuhk, 1 pictures"


def test_published_lists_of_lfdof_and_dpdd(tmp_path, shared_data):
    for name, count, targets in (("Dataset_test_LFDOF", 725, 50), ("Dataset_train_DPDD", 350, 350)):
        listed = shared_data / "dataset_lists" / name
        lines = [line.replace("\\", "/").split(",") for line in listed.read_text().split()]
        root = tmp_path / lines[0][0].split("/")[0]
        made(tmp_path, *(path for line in lines for path in line))
        found = find(root)
        assert len(found) == count
        assert len({pair.target for pair in found.pairs}) == targets
        assert {(p.inputs[0], p.target) for p in found.pairs} == {
            (tmp_path / line[0], tmp_path / line[1]) for line in lines
        }
        assert find(root, listed=listed).pairs == found.pairs


def test_a_listed_pair_that_is_missing_is_skipped_and_counted(tmp_path):
    root = made(tmp_path / "anything", *LFDOF)
    listed = tmp_path / "list"
    listed.write_bytes(
        b"LFDOF/train_data/input\\IMG_1\\IMG_1_ap1_00.png,LFDOF/train_data/ground_truth/IMG_1.png\r\n"
        b"LFDOF/train_data/input\\IMG_1\\IMG_1_ap1_01.png,LFDOF/train_data/ground_truth/IMG_1.png\r\n"
    )
    found = find(root, listed=listed)
    assert [pair.name for pair in found.pairs] == [LFDOF[0]]
    assert [(one.name, one.reason) for one in found.skipped] == [
        ("train_data/input/IMG_1/IMG_1_ap1_01.png", Reason.MISSING)
    ]
    assert found.describe() == f"{root}: lfdof, 1 pairs, 1 targets, 1 listed, but not there"


def test_a_list_with_views(tmp_path):
    made(tmp_path, *DPDD)
    listed = tmp_path / "list"
    listed.write_text("train_c/source/1P0A22.png,train_c/target/1P0A20.png\n")
    assert below(tmp_path, find(tmp_path, listed=listed, dual=True)) == [
        below(tmp_path, find(tmp_path, dual=True))[1]
    ]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("train_data/input/IMG_1/IMG_1_ap1_00.png", [LFDOF[3], LFDOF[1]]),
        ("train_data\\input\\IMG_1\\IMG_1_ap1_00.png\r", [LFDOF[3], LFDOF[1]]),
        ("./train_data/input/IMG_1/", [LFDOF[3]]),
        ("train_data/ground_truth/IMG_1.png", [LFDOF[3]]),
        ("test_data", [LFDOF[0], LFDOF[1]]),
        ("train_data/input/IMG", [LFDOF[3], LFDOF[0], LFDOF[1]]),
    ],
)
def test_exclude_list(tmp_path, line, left):
    root = made(tmp_path / "data", *LFDOF)
    exclude = tmp_path / "bad.txt"
    exclude.write_bytes(f"{line}\n\n".encode())
    found = find(root, exclude=exclude)
    assert [pair.name for pair in found.pairs] == left
    assert len(found.skipped) == 3 - len(left)
    assert ("excluded" in found.describe()) == (len(left) < 3)


def test_what_is_excluded_needs_no_partner(tmp_path):
    root = made(
        tmp_path / "data",
        *LFDOF,
        "train_data/input/IMG_5/IMG_5_ap1_00.png",
        "test_data/ground_truth/IMG_6.png",
    )
    exclude = tmp_path / "bad.txt"
    exclude.write_text(f"train_data/input/IMG_5\n{root}/test_data/ground_truth/IMG_6.png\n")
    found = find(root, exclude=exclude)
    assert len(found) == 3
    assert {one.reason for one in found.skipped} == {Reason.EXCLUDED}


@pytest.mark.parametrize(
    "names",
    [
        [
            *LFDOF,
            "train_data/input/A/A_ap1_00.png",
            "train_data/ground_truth/B.png",
            "test_data/ground_truth/IMG_2.jpg",
        ],
        [*LFDOF, "test_data/target/IMG_2.png", "train_data/input/IMG_1.png"],
        ["input/a/1.png", "target/a/1.png", "input/b/1.png", "target/c/1.png", "input/2.png", "target/2.tif"],
        ["source/1.png", "source/2.png", "target/2.png", "target/3.png"],
        [*(f"train_c/{name}.png" for name in ("source/1", "source/2", "target/2")), *DPDD_TEST],
    ],
)
def test_what_the_check_sets_aside_leaves_the_pairs_that_it_finds(tmp_path, names):
    root = made(tmp_path / "data", *names)
    checked = find_pairs(root)
    assert checked.unpaired
    exclude = tmp_path / "bad.txt"
    exclude.write_text("".join(f"{one.name}\n" for one in checked.unpaired))
    found = find(root, exclude=exclude)
    assert found.layout.value == checked.layout.value
    assert [(p.name, p.inputs[0], p.target) for p in found.pairs] == [
        (p.name, p.input, p.target) for p in checked.pairs
    ]


def test_fingerprint_tells_other_files_and_not_other_places(tmp_path):
    prints = []
    for name in ("one", "other", "larger", "more"):
        root = made(
            tmp_path / name, *LFDOF, *(["train_data/input/IMG_1/IMG_1_ap2_00.png"] if name == "more" else [])
        )
        (root / LFDOF[0]).write_bytes(b"x" if name == "larger" else b"")
        prints.append(find(root).fingerprint())
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def refused(message: str, root: Path, **options: object) -> None:
    with pytest.raises(InputError) as caught:
        find(root, **options)
    assert str(caught.value) == message.replace("ROOT", str(root))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["input/A/A_ap1_00.png", "ground_truth/B.png", "input/B/B_ap1_00.png"],
            "ROOT/input/A/A_ap1_00.png: has no target A.* in ROOT/ground_truth; add it or remove the input",
        ),
        (
            ["input/A/A_ap1_00.png", "ground_truth/A.png", "ground_truth/B.png"],
            "ROOT/ground_truth/B.png: is a target without an input in ROOT/input; add one or remove it",
        ),
        (
            ["input/A.png", "ground_truth/A.png", "ground_truth/A.tif"],
            "ROOT/input/A.png: has two targets, A.png and A.tif in ROOT/ground_truth; remove one of them",
        ),
        (
            ["input/A.png", "input/A.jpg", "target/A.png"],
            "ROOT/input/A.png: is there twice, as A.jpg too; remove one of them",
        ),
        (
            ["input/A.png", "target/A.png", "ground_truth/A.png"],
            "ROOT: has the folders of lfdof and of folders; say which it is by the layout option",
        ),
        (
            ["input/A.png", "target/A.png", "source/A.png"],
            "ROOT: has the folders of realdof and of folders; say which it is by the layout option",
        ),
        (
            ["input/A.png", "ground_truth/A.png", "train_data/input/A.png", "train_data/ground_truth/A.png"],
            "ROOT: has input and train_data/input; name one of them",
        ),
        (
            ["train_data/input/A.png"],
            "ROOT/train_data/input: has neither ground_truth nor target beside it; let one of them hold its targets",
        ),
        (
            [*(f"train_c/source/{k}.png" for k in (1, 2, 9)), "train_c/target/1.png", "train_c/target/8.png"],
            "ROOT/train_c/source: holds 3 pictures, ROOT/train_c/target 2, first apart at 2.png; let each have its "
            "partner: they are paired in sorted order",
        ),
        (
            ["train_c/source/1.png", "train_c/target/4.png"],
            "ROOT/train_c/source/1.png: comes with 4.png in sorted order, whose number is too far from its own; see "
            "whether one is missing or misnamed in ROOT/train_c/target",
        ),
        (
            ["train_c/source/1.png", "train_c/target/1.png", "train/inputC/1.png", "train/target/1.png"],
            "ROOT: has both train/inputC and train_c/source; remove one",
        ),
        (
            ["inputC/1.png", "target/1.png", "test_c/source/1.png"],
            "ROOT: has both inputC and test_c/source; remove one",
        ),
        (
            ["test_c/source/1.png", "train_c/source/1.png", "train_c/target/1.png"],
            "ROOT/test_c/target: there is no such folder of targets; add it or check the layout",
        ),
    ],
)  # fmt: skip
def test_holes_and_ambiguities(tmp_path, names, message):
    refused(message, made(tmp_path, *names) / "")


def test_realdof_with_unequal_counts(tmp_path):
    made(tmp_path, *(f"source/{k:02d}.png" for k in range(1, 7)), "target/01.png")
    refused(
        "ROOT/source/02.png: has no target 02.* in ROOT/target; 4 more are at fault: 03.png, 04.png, ...; add it or "
        "remove the input, or name them in an exclude list",
        tmp_path,
    )


def test_empty_and_unknown_folders(tmp_path):
    none = (
        "ROOT: its folders are those of no layout: lfdof train_data/input, dpdd train_c/source or train/inputC, "
        "realdof source and target, pixeldp test_c/source, folders input and target, and it holds no pictures "
        "itself; name a dataset's folder"
    )
    refused(none, tmp_path)
    refused("ROOT: there is no such folder; check the path", tmp_path / "absent")
    (tmp_path / "input").mkdir()
    (tmp_path / "target").mkdir()
    refused("ROOT: holds no pictures in the layout folders; check the folder", tmp_path)


@pytest.mark.parametrize(
    ("layout", "split", "message"),
    [
        (Layout.LFDOF, None, "has no train_data/input, test_data/input or input; check the folder"),
        (Layout.DPDD, Split.VAL, "has no val_c/source or val/inputC; check the folder and the split"),
        (Layout.PIXELDP, None, "has no train_c/source or train/inputC; check the folder and the split"),
        (Layout.REALDOF, None, "has no folders source and target; check the folder and the layout"),
        (Layout.FOLDERS, None, "has no folder input; name the two folders themselves instead"),
        (Layout.CUHK, None, "holds no pictures in the layout cuhk; check the folder"),
    ],
)
def test_another_layout_than_told(tmp_path, layout, split, message):
    refused(f"ROOT: {message}", tmp_path, layout=layout, split=split)


def test_a_split_that_is_not_there(tmp_path):
    made(tmp_path, *LFDOF[:3])
    refused("ROOT: has no val_data/input; check the folder and the split", tmp_path, split=Split.VAL)


def test_everything_excluded(tmp_path):
    root = made(tmp_path / "data", *LFDOF)
    exclude = tmp_path / "bad.txt"
    exclude.write_text("train_data\ntest_data\n")
    refused(
        "ROOT: holds no pictures in the layout lfdof, 3 are left out; check the folder", root, exclude=exclude
    )


def test_views_that_are_not_there(tmp_path):
    made(tmp_path / "lfdof", *LFDOF)
    refused(
        "ROOT/train_data/input/IMG_1: is no folder that has right and left views beside it; train without dual",
        tmp_path / "lfdof",
        dual=True,
    )
    dpdd = made(tmp_path / "dpdd", *(name for name in DPDD if "train_l" not in name))
    refused(
        "ROOT/train_l/source: there is no such folder of views; add it, or train without dual",
        dpdd,
        dual=True,
    )
    made(dpdd, "train_l/source/1P0A11_L.png")
    refused(
        "ROOT/train_c/source/1P0A22.png: has no partner in ROOT/train_l/source; add it, or train without dual",
        dpdd,
        dual=True,
    )


def test_damaged_lists(tmp_path):
    root = made(tmp_path / "data", *LFDOF)
    bad = tmp_path / "list"
    bad.write_text("a.png\n")
    refused(f"{bad}: line 1 is not of the form input,target; correct the list", root, listed=bad)
    absent = tmp_path / "absent"
    message = f"{absent}: cannot be read (No such file or directory); check the path of the list"
    refused(message, root, listed=absent)
    refused(message, root, exclude=absent)


def test_folders_that_are_not_there_or_the_same(tmp_path):
    made(tmp_path, "a/1.png")
    for inputs, targets, message in (
        ("a", "b", f"{tmp_path / 'b'}: there is no such folder; check the path"),
        ("a", "a", f"{tmp_path / 'a'}: is the folder of the inputs itself; name that of the targets"),
    ):
        with pytest.raises(InputError) as caught:
            find_folders(tmp_path / inputs, tmp_path / targets)
        assert str(caught.value) == message

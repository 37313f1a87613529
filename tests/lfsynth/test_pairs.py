from pathlib import Path

import pytest

from lfsynth.errors import InputError
from lfsynth.pairs import Layout, find_pairs, pairs_of


def made(root: Path, *names: str) -> Path:
    """Empty files: pairs are found by names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path, layout: Layout | None = None) -> list[tuple[str, str]]:
    return [(p.name, p.target.relative_to(root).as_posix()) for p in find_pairs(root, layout).pairs]


def test_lfdof_with_holes(tmp_path):
    root = made(
        tmp_path,
        "train_data/input/IMG_1/IMG_1_ap1_00.png",
        "train_data/input/IMG_1/IMG_1_ap3_04.png",
        "train_data/ground_truth/IMG_1.png",
        "test_data/input/IMG_2/IMG_2.png",
        "test_data/ground_truth/IMG_2.png",
        "test_data/input/IMG_2/Thumbs.db",
        "test_data/input/IMG_2/.hidden.png",
        "train_data/input/.IMG_9.4711.partial/IMG_9_ap1_00.png",
    )
    assert found(root) == [
        ("test_data/input/IMG_2/IMG_2.png", "test_data/ground_truth/IMG_2.png"),
        ("train_data/input/IMG_1/IMG_1_ap1_00.png", "train_data/ground_truth/IMG_1.png"),
        ("train_data/input/IMG_1/IMG_1_ap3_04.png", "train_data/ground_truth/IMG_1.png"),
    ]
    assert find_pairs(root).unpaired == ()
    assert found(root / "train_data")[0] == ("input/IMG_1/IMG_1_ap1_00.png", "ground_truth/IMG_1.png")


def test_flat_lfdof_and_other_names_of_folders(tmp_path):
    root = made(tmp_path, "input/IMG_1.png", "input/IMG_1_ap2_03.png", "target/IMG_1.tif")
    assert found(root, Layout.LFDOF) == [
        ("input/IMG_1.png", "target/IMG_1.tif"),
        ("input/IMG_1_ap2_03.png", "target/IMG_1.tif"),
    ]


def test_missing_partners_are_set_aside(tmp_path):
    data = tmp_path / "train_data"
    made(
        data,
        "input/A/A_ap1_00.png",
        "ground_truth/A.png",
        "input/B/B_ap1_00.png",
        "ground_truth/C.png",
        "input/D/D.png",
        "ground_truth/D.png",
        "ground_truth/D.jpg",
    )
    result = find_pairs(tmp_path)
    assert [pair.name for pair in result.pairs] == ["train_data/input/A/A_ap1_00.png"]
    assert {one.name: one.fault for one in result.unpaired} == {
        "train_data/ground_truth/C.png": f"{data}/ground_truth/C.png: is a target without an input in {data}/input; "
        "add one or remove it",
        "train_data/input/B/B_ap1_00.png": f"{data}/input/B/B_ap1_00.png: has no target B.* in {data}/ground_truth; "
        "add it or remove the input",
        "train_data/input/D/D.png": f"{data}/input/D/D.png: has two targets, D.jpg and D.png in {data}/ground_truth; "
        "remove one of them",
    }


@pytest.mark.parametrize(
    ("names", "what"),
    [((), "neither ground_truth nor target"), (("ground_truth", "target"), "both ground_truth and target")],
)
def test_a_split_without_one_folder_of_targets(tmp_path, names, what):
    made(tmp_path, "train_data/input/A/A.png", "test_data/input/B/B.png", "test_data/ground_truth/B.png")
    for name in names:
        made(tmp_path / "train_data", f"{name}/A.png")
    result = find_pairs(tmp_path)
    assert [pair.name for pair in result.pairs] == ["test_data/input/B/B.png"]
    folder = tmp_path / "train_data/input"
    assert [one.fault for one in result.unpaired] == [
        f"{folder}: has {what} beside it; let one of them hold its targets"
    ]


def test_dpdd_is_paired_in_sorted_order(tmp_path):
    root = made(
        tmp_path,
        *(f"train_c/source/1P0A0{n}.png" for n in (890, 892, 898)),
        *(f"train_l/source/1P0A0{n}_L.png" for n in (890, 892, 898)),
        *(f"train_c/target/1P0A0{n}.png" for n in (891, 893, 897)),
        "val/inputC/7.png",
        "val/inputR/7.png",
        "val/target/9.png",
    )
    assert found(root) == [
        ("train_c/source/1P0A0890.png", "train_c/target/1P0A0891.png"),
        ("train_c/source/1P0A0892.png", "train_c/target/1P0A0893.png"),
        ("train_c/source/1P0A0898.png", "train_c/target/1P0A0897.png"),
        ("train_l/source/1P0A0890_L.png", "train_c/target/1P0A0891.png"),
        ("train_l/source/1P0A0892_L.png", "train_c/target/1P0A0893.png"),
        ("train_l/source/1P0A0898_L.png", "train_c/target/1P0A0897.png"),
        ("val/inputC/7.png", "val/target/9.png"),
        ("val/inputR/7.png", "val/target/9.png"),
    ]


def test_dpdd_with_a_hole_is_not_guessed(tmp_path):
    root = made(
        tmp_path,
        *(f"test_c/source/{n}.png" for n in (10, 20, 30)),
        *(f"test_c/target/{n}.png" for n in (11, 31)),
        "val_c/source/10.png",
        "val_c/source/20.png",
        "val_c/target/10.png",
        "val_c/target/31.png",
    )
    result = find_pairs(root)
    assert [pair.name for pair in result.pairs] == ["val_c/source/10.png"]
    sources, targets = root / "test_c/source", root / "test_c/target"
    assert [one.fault for one in result.unpaired] == [
        f"{sources}: holds 3 pictures, {targets} 2, first apart at 20.png; let each have its partner: they are paired "
        "in sorted order",
        f"{root}/val_c/source/20.png: comes with 31.png in sorted order, whose number is too far from its own; see "
        f"whether one is missing or misnamed in {root}/val_c/target",
    ]


def test_the_published_lists_fit(tmp_path, shared_data):
    """The rule on numbers lets every pair of DPDD's own lists through."""
    wanted = []
    for part in ("train", "test"):
        for line in (shared_data / f"dataset_lists/Dataset_{part}_DPDD").read_text().split():
            source, target = (name.split("/", 1)[1] for name in line.split(","))
            made(tmp_path, source, target)
            wanted.append((source, target))
    assert len(wanted) == 426
    assert found(tmp_path) == sorted(wanted)


def test_realdof_and_folders(tmp_path):
    real = made(tmp_path / "real", "source/01.png", "target/01.png", "source/02.png", "target/02.jpg")
    assert found(real) == [("source/01.png", "target/01.png"), ("source/02.png", "target/02.jpg")]
    own = made(tmp_path / "own", "input/a/1.png", "target/a/1.png", "input/b/1.png", "target/b/1.png")
    assert found(own) == [("input/a/1.png", "target/a/1.png"), ("input/b/1.png", "target/b/1.png")]
    assert [find_pairs(folder).layout for folder in (real, own)] == [Layout.REALDOF, Layout.FOLDERS]


def test_two_folders_or_two_pictures(tmp_path):
    made(tmp_path, "blurred/1.png", "blurred/2.png", "deep/sharp/1.tif", "deep/sharp/2.png")
    result = pairs_of(tmp_path / "blurred", tmp_path / "deep/sharp")
    assert result.root == tmp_path
    assert [(pair.name, pair.target.name) for pair in result.pairs] == [
        ("blurred/1.png", "1.tif"),
        ("blurred/2.png", "2.png"),
    ]
    result = pairs_of(tmp_path / "blurred/1.png", tmp_path / "deep/sharp/2.png")
    assert [(pair.name, pair.target.name) for pair in result.pairs] == [("blurred/1.png", "2.png")]


def test_one_pair_named_relative_to_here(tmp_path, monkeypatch):
    made(tmp_path, "a.png", "b.png")
    monkeypatch.chdir(tmp_path)
    result = pairs_of(Path("a.png"), Path("b.png"))
    assert (result.root, result.pairs[0].name, result.pairs[0].input) == (tmp_path, "a.png", Path("a.png"))


def test_a_line_break_in_a_name(tmp_path):
    made(tmp_path, "source/a\nb.png", "target/a\nb.png", "source/c.png", "target/c.png")
    assert [one.fault for one in find_pairs(tmp_path).unpaired] == [
        "'source/a\\nb.png': its name holds a line break; rename it"
    ]


@pytest.mark.parametrize(
    ("names", "layout", "message"),
    [
        ((), None, "{}: its folders are those of no layout: lfdof train_data/input, dpdd train_c/source, realdof "
         "source and target, folders input and target; name a dataset's folder, or two folders by --input and "
         "--target"),
        (("input/a.png", "target/a.png", "ground_truth/a.png"), None,
         "{}: has the folders of lfdof and of folders; say which it is by --layout"),
        (("input/a.png",), Layout.FOLDERS, "{}: has not one folder input and one of target or ground_truth; name two "
         "folders by --input and --target instead"),
        (("source/a.png",), Layout.REALDOF, "{}: has no folders source and target; check --data and --layout"),
        (("source/a.txt",), Layout.DPDD, "{}: holds no pictures in the layout dpdd; check --data and --layout"),
        (("source/a.png",), Layout.LFDOF, "{}: has no train_data/input, test_data/input or input; check --data"),
        (("source/a.png", "target/b.png"), None, "{0}: holds no pair; {0}/source/a.png: has no target a.* in "
         "{0}/target; add it or remove the input; 2 such in all"),
    ],
)  # fmt: skip
def test_datasets_that_are_none(tmp_path, names, layout, message):
    made(tmp_path, *names)
    with pytest.raises(InputError) as raised:
        find_pairs(tmp_path, layout)
    assert str(raised.value) == message.format(tmp_path)


def test_paths_that_make_no_pair(tmp_path):
    made(tmp_path, "a.png", "folder/b.png")
    picture, folder = tmp_path / "a.png", tmp_path / "folder"
    for inputs, targets, message in (
        (
            picture,
            tmp_path / "no.png",
            f"{tmp_path}/no.png: there is no such file or folder; correct --input or --target",
        ),
        (
            folder,
            picture,
            f"{picture}: is a file, and its partner is a folder; give two pictures or two folders",
        ),
        (picture, picture, f"{picture}: is the input itself; give its partner by --target"),
    ):
        with pytest.raises(InputError) as raised:
            pairs_of(inputs, targets)
        assert str(raised.value) == message
    with pytest.raises(InputError) as raised:
        find_pairs(tmp_path / "nowhere")
    assert str(raised.value) == f"{tmp_path}/nowhere: there is no such folder; check --data"

"""The scores of pairs, against float64 computations of their own; on where a run stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional

from drbnet import lpips, scoring
from drbnet.datasets import Split, files_of, find
from drbnet.deblurring import Deblurrer
from drbnet.lpips import Lpips
from drbnet.models.drbnet import Architecture, Scales, Terms
from drbnet.pairing import Pair
from drbnet.protocols import Protocol, eight_bits, paper, sixteen_bits
from drbnet.scoring import RECORD, Outcome, Scorer, deblurred, run
from lfsynth.errors import InputError
from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

CPU = torch.device("cpu")


class Sharpening(nn.Module):
    """Looks 2 px far; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, image: Tensor, *views: Tensor) -> Tensor:
        self.asked += 1
        mean = functional.avg_pool2d(functional.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        return (1.4 * image - 0.4 * mean).clamp(-1, 1)


def deblurrer(network: nn.Module | None = None, **options: object) -> Deblurrer:
    architecture = Architecture(False, 7, Terms(), Scales.FOUR)
    return Deblurrer(network or Sharpening(), architecture, "digest", CPU, **options)  # type: ignore[arg-type]


def scorer(protocol: Protocol | None = None, network: nn.Module | None = None) -> Scorer:
    return Scorer(protocol or paper(), deblurrer(network), None, CPU)


def make_pair(folder: Path, size: tuple[int, int] = (40, 53), bits: int = 8) -> Pair:
    rng = np.random.default_rng(size[1])
    sharp = rng.random((*size, 3)).astype(np.float32)
    soft = (0.5 * sharp + 0.25).astype(np.float32)
    for name, picture in (("input", soft), ("target", sharp)):
        write(folder / f"{name}.png", picture, bits=bits, transfer=LINEAR)
    return Pair("input.png", (folder / "input.png",), folder / "target.png")


def codes(path: Path) -> NDArray[np.float64]:
    """8-bit codes of the cropped picture, by Pillow, in [0, 1]."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(np.float64) / 255
    return picture[: picture.shape[0] // 16 * 16, : picture.shape[1] // 16 * 16]


def sharpened(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """As the network does, in float64."""
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    shifts = [padded[y : y + height, x : x + width] for y in range(5) for x in range(5)]
    return np.clip(1.4 * picture - 0.4 * np.mean(shifts, axis=0), 0, 1)


def test_scores_of_the_paper_are_a_float64_computation(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    output, given, size = scorer()(pair)
    sharp, soft = codes(tmp_path / "target.png"), codes(tmp_path / "input.png")
    assert size == (32, 48)
    assert output is not None
    for score, picture in ((given, soft), (output, sharpened(soft))):
        # The network and the pictures given to it are float32, of seven digits.
        assert score.psnr == pytest.approx(-10 * np.log10(np.mean((picture - sharp) ** 2)), abs=1e-6)
        wanted = structural_similarity(sharp, picture, data_range=1, channel_axis=2)
        assert score.ssim == pytest.approx(wanted, abs=1e-6)
        assert score.mae == pytest.approx(np.mean(np.abs(picture - sharp)), abs=1e-7)
        assert score.lpips is None
    assert output.psnr > given.psnr


@pytest.mark.parametrize("bits", [8, 16])
def test_the_inputs_scores_are_exact(bits: int, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, bits=bits)
    soft, sharp = (
        cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)[:32, :48] / (2**bits - 1)
        for path in files_of(pair)
    )
    score = scorer(sixteen_bits())(pair)[1]
    # Both sides are float64 throughout, and differ by the order of sums.
    assert score.psnr == pytest.approx(-10 * np.log10(np.mean((soft - sharp) ** 2)), abs=1e-11)
    assert score.mae == pytest.approx(np.mean(np.abs(soft - sharp)), abs=1e-14)
    wanted = structural_similarity(sharp, soft, data_range=1, channel_axis=2)
    assert score.ssim == pytest.approx(wanted, abs=1e-12)


def test_saved_outputs_are_rounded(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    output, given, _ = scorer(eight_bits())(pair)
    sharp, soft = codes(tmp_path / "target.png"), codes(tmp_path / "input.png")
    rounded = np.rint(sharpened(soft) * 255) / 255
    assert output is not None
    # No value of this network lies in the middle between two codes, where float32 may round otherwise.
    assert output.psnr == pytest.approx(-10 * np.log10(np.mean((rounded - sharp) ** 2)), abs=1e-6)
    assert given == scorer()(pair)[1]


def test_a_network_of_three_views_sees_them_all(tmp_path: Path) -> None:
    class Views(nn.Module):
        def forward(self, image: Tensor, right: Tensor, left: Tensor) -> Tensor:
            return 0.5 * right + 0.5 * left + 0 * image

    pair = make_pair(tmp_path)
    sharp, soft = codes(tmp_path / "target.png"), codes(tmp_path / "input.png")
    dual = replace(pair, inputs=(pair.inputs[0], tmp_path / "target.png", pair.inputs[0]))
    output, given, _ = scorer(network=Views())(dual)
    assert output is not None
    assert output.psnr == pytest.approx(-10 * np.log10(np.mean(((soft - sharp) / 2) ** 2)), abs=1e-6)
    assert given == scorer()(pair)[1]


def test_bits_that_are_read_are_the_protocols(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, bits=16)
    stored = []
    for path in files_of(pair):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.dtype == np.uint16
        stored.append(picture[:32, :48].astype(np.int64))
    for protocol, values in (
        (paper(), [one // 256 / 255 for one in stored]),
        (sixteen_bits(), [one / 65535 for one in stored]),
    ):
        wanted = -10 * np.log10(np.mean((values[0] - values[1]) ** 2))
        assert scorer(protocol)(pair)[1].psnr == pytest.approx(wanted, abs=1e-6)
    assert scorer(paper())(pair)[1] != scorer(sixteen_bits())(pair)[1]


def test_lpips_is_that_of_pictures_from_minus_1_to_1(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = Lpips().eval()
    for head in network.heads:
        head.fill_(1)
    pair = make_pair(tmp_path)
    output, given, _ = Scorer(paper(), deblurrer(), network, CPU)(pair)
    sharp, soft = (codes(tmp_path / f"{name}.png") for name in ("target", "input"))
    assert output is not None
    for score, picture in ((given, soft), (output, sharpened(soft))):
        tensors = (
            torch.from_numpy((one * 2 - 1).transpose(2, 0, 1)[None]).float() for one in (picture, sharp)
        )
        assert score.lpips == pytest.approx(float(network(*tensors)), abs=1e-6)


def test_tiled_is_whole() -> None:
    picture = np.random.default_rng(1).random((128, 144, 3)).astype(np.float32)
    whole, tiled = Sharpening(), Sharpening()
    one = deblurred(deblurrer(whole), [picture])
    # 16 px are more than the 2 that this network looks far.
    other = deblurred(deblurrer(tiled, memory=1, tile=88, margin=16), [picture])
    assert whole.asked == 1
    assert tiled.asked == 6
    assert np.abs(one - other).max() < 1e-6


def test_outputs_that_are_no_numbers_are_refused() -> None:
    class Wrong(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image / 0

    with pytest.raises(InputError, match="--weights: they give values that are no numbers; check"):
        deblurred(deblurrer(Wrong()), [np.full((32, 32, 3), 0.5, np.float32)])


def test_too_little_memory_is_told() -> None:
    class Large(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            raise torch.OutOfMemoryError

    with pytest.raises(InputError, match=r"cpu: has too little free memory for 32 x 48 pixels; give less by"):
        deblurred(deblurrer(Large()), [np.zeros((32, 48, 3), np.float32)])


def test_pictures_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    for name, size in (("small", (40, 31)), ("one", (40, 53)), ("other", (48, 64))):
        (tmp_path / name).mkdir()
        make_pair(tmp_path / name, size)
    with pytest.raises(InputError, match="its 40 x 31 pixels are too few to be scored; leave it out"):
        scorer()(Pair("a", (tmp_path / "small/input.png",), tmp_path / "small/target.png"))
    with pytest.raises(InputError, match="it is 40 x 53 pixels, its target 48 x 64; replace one of them"):
        scorer()(Pair("a", (tmp_path / "one/input.png",), tmp_path / "other/target.png"))


def scored(lfdof: Path, folder: Path, with_: Scorer, **options: bool) -> list[Outcome]:
    return run(with_, find(lfdof, split=Split.TRAIN).pairs, lfdof, folder, **options)


def test_a_run_takes_what_an_earlier_one_has_scored(lfdof: Path, tmp_path: Path) -> None:
    network = Sharpening()
    first = scored(lfdof, tmp_path, scorer(network=network))
    assert [one.taken for one in first] == [False] * 6
    assert network.asked == 6
    again = scored(lfdof, tmp_path, scorer(network=network))
    assert network.asked == 6
    assert [one.row for one in again] == [one.row for one in first]
    assert all(one.taken for one in again)
    scored(lfdof, tmp_path, scorer(network=network), again=True)
    assert network.asked == 12


def test_a_run_goes_on_where_it_was_stopped(
    lfdof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(lfdof, tmp_path / "..", scorer())
    Path(tmp_path / ".." / RECORD).unlink()

    class Stopped(Sharpening):
        def forward(self, image: Tensor, *views: Tensor) -> Tensor:
            if self.asked == 3:
                raise KeyboardInterrupt
            return super().forward(image, *views)

    with pytest.raises(KeyboardInterrupt):
        scored(lfdof, tmp_path, scorer(network=Stopped()))
    # The last line is cut, as by a full disk or a power failure.
    record = tmp_path / RECORD
    record.write_bytes(record.read_bytes()[:-20])
    outcomes = scored(lfdof, tmp_path, scorer())
    assert [one.taken for one in outcomes] == [True] * 2 + [False] * 4
    assert [one.row for one in outcomes] == [one.row for one in whole]


def test_scores_of_something_else_are_not_taken(lfdof: Path, tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    base = scorer()
    others = [
        replace(base, protocol=eight_bits()),
        replace(base, deblurrer=replace(deblurrer(), digest="other")),
        replace(base, deblurrer=None),
        replace(base, lpips=Lpips()),
        replace(base, device=torch.device("cuda")),
    ]
    keys = [one.key(pair) for one in (base, *others)]
    assert len(set(keys)) == len(keys)
    assert base.key(replace(pair, name="other")) not in keys
    assert base.key(pair) == keys[0]
    make_pair(tmp_path, (48, 53))
    assert base.key(pair) not in keys


def test_a_bad_pair_is_set_aside(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    pairs = [make_pair(bad), make_pair(good)]
    pairs[0].inputs[0].write_bytes(b"\x89PNG\r\n\x1a\nno more")
    lacking = replace(pairs[1], inputs=(tmp_path / "none.png",))
    told: list[Outcome] = []
    outcomes = run(scorer(), [*pairs, lacking], tmp_path, tmp_path, report=told.append)
    assert outcomes == told
    assert [one.row is None for one in outcomes] == [True, False, True]
    assert str(bad / "input.png") in outcomes[0].fault
    assert outcomes[2].fault == (
        f"{tmp_path / 'none.png'}: cannot be read (No such file or directory); check the dataset"
    )


def test_without_a_network_the_input_alone_is_scored(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    output, given, _ = replace(scorer(), deblurrer=None)(pair)
    assert output is None
    assert given == scorer()(pair)[1]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"\.scores\.jsonl: it cannot be written \(No such file or directory\)"
    ):
        run(scorer(), [make_pair(tmp_path)], tmp_path, tmp_path / "none")


def test_digests_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    found = scoring.lpips_digests(tmp_path / "a")
    assert found["alexnet"].startswith("e3b0c442")
    assert found["heads"] == lpips.HEADS_SHA256

"""The paper's protocol against a computation of its own, and what real inputs score. Tables in Markdown.

    python benchmarks/scores.py DATASET [--split test] [--lpips-weights FILE]

    inputs    PSNR, SSIM and MAE of each input against its target, by the protocol ``paper``, their means, the
              intervals; and of the means by each other protocol
    reference the largest difference to figures that Pillow and numpy give of the files, float64: PSNR by its
              formula, SSIM by scikit-image and by sums of integers, exact but for the division of each window
    lpips     the largest difference of LPIPS with seeded weights of AlexNet to the published formula in numpy,
              float64, on parts of 128 x 160 of the pictures
    tiles     the difference of scores of a DRBNet with seeded weights between the smallest tiles and whole

A dataset is one of pairs of 8 bits whose sides are at least 352 px.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

# Beside this file lies another drbnet.
sys.path.remove(str(Path(__file__).resolve().parent))

from drbnet import lpips as lpips_module
from drbnet.bootstrap import estimate
from drbnet.datasets import Pair, Split, find
from drbnet.deblurring import Deblurrer
from drbnet.lpips import Lpips, heads_file, load_lpips
from drbnet.models.drbnet import Architecture, DRBNet, Scales, Terms
from drbnet.protocols import PROTOCOLS
from drbnet.scoring import Row, Scorer

CPU = torch.device("cpu")
Integers = NDArray[np.int64]


def codes(path: Path) -> Integers:
    """8-bit codes (H, W, 3), cropped to multiples of 16, by another reader than ours."""
    picture = np.asarray(Image.open(path).convert("RGBA"))[:, :, :3].astype(np.int64)
    return picture[: picture.shape[0] // 16 * 16, : picture.shape[1] // 16 * 16]


def window_sums(values: Integers) -> Integers:
    """Sums over all windows of 7 x 7, without rounding."""
    total: Integers = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return total[7:, 7:] - total[:-7, 7:] - total[7:, :-7] + total[:-7, :-7]


def ssim_by_integers(x: Integers, y: Integers) -> float:
    """The formula with n = 49 and white = 255, both sides times (255 n)^2 and 255^2 n (n - 1)."""
    n = 49
    c1, c2 = (0.01 * 255 * n) ** 2, (0.03 * 255) ** 2 * n * (n - 1)
    means = []
    for a, b in zip(np.moveaxis(x, 2, 0), np.moveaxis(y, 2, 0), strict=True):
        sa, sb, saa, sbb, sab = (window_sums(z) for z in (a, b, a * a, b * b, a * b))
        product, squares = sa * sb, sa * sa + sb * sb
        above = (2 * product + c1) * (2 * (n * sab - product) + c2)
        below = (squares + c1) * (n * (saa + sbb) - squares + c2)
        means.append(float((above / below).mean()))
    return sum(means) / len(means)


def compare_with_reference(pairs: tuple[Pair, ...], rows: list[Row]) -> None:
    worst = {"PSNR, formula": 0.0, "SSIM, scikit-image": 0.0, "SSIM, integers": 0.0, "MAE, formula": 0.0}
    for pair, row in zip(pairs, rows, strict=True):
        assert pair.target is not None
        x, y = codes(pair.inputs[0]), codes(pair.target)
        difference = (x - y).astype(np.float64) / 255
        similarity = structural_similarity(y / 255, x / 255, data_range=1, channel_axis=2, win_size=7)
        found = {
            "PSNR, formula": row.input.psnr - 10 * np.log10(1 / np.mean(difference**2)),
            "SSIM, scikit-image": row.input.ssim - similarity,
            "SSIM, integers": row.input.ssim - ssim_by_integers(x, y),
            "MAE, formula": row.input.mae - np.abs(difference).mean(),
        }
        worst = {name: max(worst[name], abs(float(value))) for name, value in found.items()}
    print("\n| figure, reference | largest difference |\n|---|---|")
    for name, value in worst.items():
        print(f"| {name} | {value:.1e} |")


def seeded_alexnet() -> tuple[Lpips, dict[str, torch.Tensor]]:
    """LPIPS with the published heads upon a backbone of seeded weights."""
    network, generator = Lpips().eval(), torch.Generator().manual_seed(0)
    state = {}
    for name, value in network.features.state_dict().items():
        fan_in = value[0].numel() if value.ndim > 1 else 100
        state[name] = torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5
    network.features.load_state_dict(state)
    heads = torch.load(heads_file(), map_location="cpu", weights_only=True)
    for number, head in enumerate(network.heads):
        head.copy_(heads[f"lin{number}.model.1.weight"].reshape(-1))
    return network, state


def lpips_by_numpy(network: Lpips, state: dict[str, torch.Tensor], some: list[NDArray[np.float64]]) -> float:
    """The published formula, of two pictures (3, H, W) in [-1, 1]."""
    from numpy.lib.stride_tricks import sliding_window_view

    def windows(x: NDArray[np.float64], side: int, stride: int) -> NDArray[np.float64]:
        return sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride]

    total, features = (
        0.0,
        [
            (x - np.reshape([-0.030, -0.088, -0.188], (3, 1, 1)))
            / np.reshape([0.458, 0.448, 0.450], (3, 1, 1))
            for x in some
        ],
    )
    for head, (number, stride, border) in zip(
        network.heads, ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)), strict=True
    ):
        weight, bias = (state[f"{number}.{kind}"].double().numpy() for kind in ("weight", "bias"))
        if number in (3, 6):
            features = [windows(x, 3, 2).max(axis=(3, 4)) for x in features]
        padded = [np.pad(x, ((0, 0), (border, border), (border, border))) for x in features]
        features = [
            np.maximum(
                np.einsum("chwij,dcij->dhw", windows(x, weight.shape[-1], stride), weight, optimize=True)
                + bias[:, None, None],
                0,
            )
            for x in padded
        ]
        x, y = (z / (np.sqrt((z**2).sum(axis=0)) + 1e-10) for z in features)
        total += float(np.einsum("c,chw->", head.double().numpy(), (x - y) ** 2) / x[0].size)
    return total


def compare_lpips(pairs: tuple[Pair, ...]) -> None:
    network, state = seeded_alexnet()
    worst, values = 0.0, []
    for pair in pairs:
        assert pair.target is not None
        some = [
            (codes(path)[96:224, 96:256] / 127.5 - 1).transpose(2, 0, 1)
            for path in (pair.inputs[0], pair.target)
        ]
        wanted = lpips_by_numpy(network, state, some)
        got = float(network(*(torch.from_numpy(x).float()[None] for x in some)))
        worst = max(worst, abs(got - wanted))
        values.append(wanted)
    print(
        f"| LPIPS, formula, seeded backbone (values {min(values):.3f} to {max(values):.3f}) | {worst:.1e} |"
    )


def compare_tiles(pair: Pair) -> None:
    torch.manual_seed(0)
    network = DRBNet().eval()
    deblurrer = Deblurrer(network, Architecture(False, 7, Terms(), Scales.FOUR), "", CPU)
    scorer = Scorer(PROTOCOLS["paper"](), deblurrer, None, CPU)
    whole = scorer(pair)[0]
    tiled = Scorer(scorer.protocol, replace(deblurrer, memory=1), None, CPU)(pair)[0]
    assert whole is not None
    assert tiled is not None
    print(f"| PSNR of a seeded DRBNet, tiles against whole | {abs(whole.psnr - tiled.psnr):.1e} |")
    print(f"| SSIM of a seeded DRBNet, tiles against whole | {abs(whole.ssim - tiled.ssim):.1e} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--lpips-weights", type=Path, help=lpips_module.FILE)
    options = parser.parse_args()
    pairs = find(options.dataset, split=Split(options.split)).pairs
    lpips = load_lpips(options.lpips_weights) if options.lpips_weights else None

    rows: dict[str, list[Row]] = {}
    began = time.process_time()
    for name, protocol in PROTOCOLS.items():
        scorer = Scorer(protocol(), None, lpips, CPU)
        rows[name] = []
        for pair in pairs:
            _, given, (height, width) = scorer(pair)
            rows[name].append(Row(pair.name, str(pair.target), height, width, None, given))
    seconds = (time.process_time() - began) / len(pairs) / len(PROTOCOLS)
    print("| input, protocol `paper` | PSNR dB | SSIM | LPIPS | MAE |\n|---|---|---|---|---|")
    for row in rows["paper"]:
        score = row.input
        distance = "n/a" if score.lpips is None else f"{score.lpips:.4f}"
        name = Path(row.name).stem
        print(f"| {name} | {score.psnr:.4f} | {score.ssim:.5f} | {distance} | {score.mae:.5f} |")
    for name, some in rows.items():
        cells = []
        for metric, digits in (("psnr", 3), ("ssim", 4), ("lpips", 4), ("mae", 4)):
            values = [getattr(row.input, metric) for row in some]
            if None in values:
                cells.append("n/a")
                continue
            one = estimate(values, [row.target for row in some], seed=0)
            cells.append(f"{one.mean:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]")
        print(f"| mean, `{name}` | {' | '.join(cells)} |")
    print(f"\n{seconds:.2f} CPU seconds a picture")
    compare_with_reference(pairs, rows["paper"])
    compare_lpips(pairs)
    compare_tiles(pairs[0])


if __name__ == "__main__":
    main()

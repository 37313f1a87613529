"""A tiny network in the place of the paper's, and tiny datasets, for its tables end to end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

NETWORKS = ("drbnet", "dpdnet", "kpac", "ifan", "aifnet")


def know_tiny_networks(patch: pytest.MonkeyPatch) -> None:
    """Let every network of the tables be one convolution, whose options make another bias."""
    import torch
    from torch import Tensor, nn

    from drbnet.models import MODELS, Model
    from drbnet.models.architecture import Plain

    class Tiny(nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.tiny = nn.Conv2d(3, 3, 3, padding=1)
            nn.init.constant_(self.tiny.bias, 0.01 * len(options))
            nn.init.dirac_(self.tiny.weight)

        def forward(self, image: Tensor) -> Tensor:
            return torch.clamp(self.tiny(image), -1, 1)

    def told(weights: Mapping[str, Tensor]) -> Plain | None:
        return Plain("tiny", Tiny, 8, 8, 100) if "tiny.weight" in weights else None

    for name in NETWORKS:
        patch.setitem(MODELS, name, Model(Tiny, told=told))


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `know_tiny_networks`, for one test."""
    know_tiny_networks(monkeypatch)


def make_pairs(inputs: Path, targets: Path, names: Mapping[str, str], *, seed: int) -> None:
    """Pictures of 48 x 48 and blurred ones of them; names: of an input and of its target."""
    rng = np.random.default_rng(seed)
    for name, target in names.items():
        sharp = gaussian_filter(rng.random((48, 48, 3)), (1, 1, 0))
        sharp = ((sharp - sharp.min()) / np.ptp(sharp)).astype(np.float32)
        for path, picture in ((inputs / name, gaussian_filter(sharp, (1, 1, 0))), (targets / target, sharp)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, picture.astype(np.float32), transfer=LINEAR)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders lfdof, dpdd and realdof with two pairs a split; nobody changes them."""
    root = tmp_path_factory.mktemp("paper_data")
    for number, split in enumerate(("train", "test")):
        lfdof = root / "lfdof" / f"{split}_data"
        names = {f"IMG_{n}/IMG_{n}_ap1_00.png": f"IMG_{n}.png" for n in (2 * number, 2 * number + 1)}
        make_pairs(lfdof / "input", lfdof / "ground_truth", names, seed=number)
        dpdd = root / "dpdd" / f"{split}_c"
        make_pairs(
            dpdd / "source", dpdd / "target", {f"{n}.png": f"{n}.png" for n in (1, 2)}, seed=2 + number
        )
    realdof = root / "realdof"
    make_pairs(realdof / "source", realdof / "target", {f"{n}.png": f"{n}.png" for n in (1, 2)}, seed=9)
    return root


@pytest.fixture
def tiny_plan(tiny_data: Path, tmp_path: Path) -> Path:
    """A file that names these folders, and a budget of one step a stage."""
    file = tmp_path / "paper.toml"
    file.write_text(
        f'[data]\nlfdof = "{tiny_data}/lfdof"\ndpdd = "{tiny_data}/dpdd"\nrealdof = "{tiny_data}/realdof"\n'
        "[training]\nepochs = 1\nfinetune_epochs = 1\npatch = 32\nbatch = 2\nworkers = 0\nthreads = 1\n"
        'device = "cpu"\nvalidation_pairs = 1\n'
        "[trainings.drbnet-mixed]\nrepeats = 1\n"
    )
    return file

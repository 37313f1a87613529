"""Runs of ``drbnet.train`` with a tiny network, in processes that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

HERE = Path(__file__).parent
PATIENCE = 120.0
"""Seconds until a run is taken to hang."""


def make_pairs(
    folder: Path, scenes: list[str], *, size: tuple[int, int] = (40, 48), blur: float = 1.0
) -> None:
    """LFDOF's folders ``input`` and ``ground_truth`` with two inputs a scene."""
    rng = np.random.default_rng(len(scenes[0]))
    (folder / "ground_truth").mkdir(parents=True)
    for scene in scenes:
        sharp = gaussian_filter(rng.random((*size, 3)), (1, 1, 0))
        sharp = ((sharp - sharp.min()) / np.ptp(sharp)).astype(np.float32)
        write(folder / "ground_truth" / f"{scene}.png", sharp, transfer=LINEAR)
        (folder / "input" / scene).mkdir(parents=True)
        for aperture in (1, 2):
            soft = gaussian_filter(sharp, (blur * aperture, blur * aperture, 0)).astype(np.float32)
            write(folder / "input" / scene / f"{scene}_ap{aperture}_00.png", soft, transfer=LINEAR)


@pytest.fixture(scope="session")
def lfdof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 3 training scenes and a test scene, of two pairs each; nobody changes it."""
    root = tmp_path_factory.mktemp("lfdof")
    make_pairs(root / "train_data", ["IMG_0001", "IMG_0002", "IMG_0003"])
    make_pairs(root / "test_data", ["IMG_0009"])
    return root


@dataclass
class Ended:
    """A run that has ended: exit code (negative for a signal) and what it printed, both streams together."""

    code: int
    text: str


@dataclass
class Trainer:
    """Starts runs as copies of a process that has loaded torch; see ``training_server.py``."""

    server: subprocess.Popen[str]
    folder: Path
    printed: dict[int, Path] = field(default_factory=dict)

    def start(self, *arguments: object, hook: str = "", environment: dict[str, str] | None = None) -> int:
        """Begin a run; hook: Python that is run before the command. Returns the process's number."""
        path = self.folder / f"{len(self.printed)}.txt"
        pid = self._ask(
            {
                "start": [str(one) for one in arguments],
                "hook": hook,
                "environment": environment or {},
                "printed": str(path),
            }
        )
        self.printed[pid] = path
        return pid

    def wait(self, pid: int) -> Ended:
        """The end of a run that was begun."""
        code = self._ask({"wait": pid, "patience": PATIENCE})
        return Ended(code, self.printed[pid].read_text())

    def __call__(self, *arguments: object, hook: str = "") -> Ended:
        """A whole run."""
        return self.wait(self.start(*arguments, hook=hook))

    def _ask(self, request: dict[str, object]) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """Runs of the command that know a network called tiny."""
    command = [sys.executable, str(HERE / "training_server.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]
    ) as server:
        yield Trainer(server, tmp_path_factory.mktemp("printed"))
        assert server.stdin is not None
        server.stdin.close()

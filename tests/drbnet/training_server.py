"""Starts training runs as copies of itself, with torch loaded and a tiny network known; spoken to in lines of JSON.

``{"start": arguments, "hook": source, "environment": {}, "printed": path}`` is answered by the process's number,
``{"wait": number, "patience": seconds}`` by its exit code. With arguments of its own it is such a run itself.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import drbnet.models
import drbnet.run
import drbnet.train
from drbnet.models import Model
from drbnet.reading import read_encoded
from lfsynth.pictures import write


class Tiny(nn.Module):
    """Outputs of four scales from a few convolutions, with a dropout that draws random numbers."""

    def __init__(self, channels: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 5, padding=2)
        self.middle = nn.Conv2d(channels, channels, 5, padding=2)
        self.last = nn.Conv2d(channels, 3, 5, padding=2)
        self.dropout = nn.Dropout(dropout)

    def scales(self, image: Tensor) -> list[Tensor]:
        feature = functional.leaky_relu(self.first(image), 0.1)
        feature = self.dropout(functional.leaky_relu(self.middle(feature), 0.1))
        output = image + 0.1 * self.last(feature)
        return [*(functional.avg_pool2d(output, times) for times in (8, 4, 2)), output]

    def forward(self, image: Tensor) -> Tensor:
        return self.scales(image)[-1].clamp(-1, 1)


class TinyDual(Tiny):
    """Of three views: what the second and the third differ by is added."""

    def scales(self, image: Tensor, right: Tensor, left: Tensor) -> list[Tensor]:  # type: ignore[override]
        return super().scales(image + 0.1 * (right - left))

    def forward(self, image: Tensor, right: Tensor, left: Tensor) -> Tensor:  # type: ignore[override]
        return self.scales(image, right, left)[-1].clamp(-1, 1)


class Aid(nn.Module):
    """A weight that is trained beside the network, and draws it to grey."""

    def __init__(self) -> None:
        super().__init__()
        self.grey = nn.Parameter(torch.zeros(1))

    def forward(
        self, network: Tiny, views: list[Tensor], target: Tensor, defocus: Tensor | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        scales = network.scales(*views)
        return scales, {
            "grey": 0.1 * (scales[-1] - self.grey).abs().mean(),
            "own": (self.grey - 1).abs().sum(),
        }


drbnet.models.MODELS["tiny"] = Model(Tiny)
drbnet.models.MODELS["tiny-aided"] = Model(Tiny, aid=Aid)
drbnet.models.MODELS["tiny-dual"] = Model(TinyDual)
drbnet.models.MODELS["small"] = Model(lambda: Tiny(16, 0.0))


def load_all() -> None:
    """What is loaded at its first use, and takes a while: done once, the copies have it."""
    torch.optim.RAdam(Tiny().parameters())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.png")
        write(path, np.random.default_rng(0).random((40, 48, 3)).astype(np.float32))
        read_encoded(path)


def begin(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        printed = os.open(request["printed"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.environ |= request["environment"]
        exec(request["hook"], {"torch": torch, "drbnet": drbnet, "os": os})
        drbnet.train.main(request["start"])
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(pid: int, patience: float) -> int:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return 71


if __name__ == "__main__":
    if sys.argv[1:]:
        drbnet.train.main(sys.argv[1:])
    load_all()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = begin(asked) if "start" in asked else wait(asked["wait"], asked["patience"])
        print(answer, flush=True)

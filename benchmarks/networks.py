"""All networks that can be trained: parameters, arithmetic, time and memory at 320 x 320. A table in Markdown.

    python benchmarks/networks.py [--networks drbnet kpac] [--repeats 3] [--threads 1] [--size 320]

forward   deblurring one picture, without gradients
step      a training step of stage 1 on one patch, as `drbnet.train` does it: loss, gradients, RAdam

GMAC are multiplications, in 10^9, of the forward pass: of convolutions by their plain form, of filters that a network
makes for each pixel, and of tensors with each other. Each row and network is a process of its own; its times are
medians after a first run that is not timed, CPU seconds of all threads and seconds on the clock; its memory is the
process's largest resident size less what it was with the package imported, so the weights are in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = ("forward", "step")
VIEWS = {False: 1, True: 3}  # of networks for single pictures, and for a dual-pixel sensor


def resident() -> float:
    """Largest resident size so far in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def multiplications(name: str, size: int) -> float:
    """Of a forward pass, in 10^9; nothing is computed."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from drbnet.models import MODELS

    products = (torch.ops.aten.mul.Tensor, torch.ops.aten.addcmul.default)

    class Counter(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: Any = (), options: Any = None
        ) -> Any:
            result = function(*arguments, **(options or {}))
            if function is torch.ops.aten.convolution.default:
                picture, weight, transposed = arguments[0], arguments[1], arguments[6]
                self.total += (picture if transposed else result).numel() * weight[0].numel()
            elif function is torch.ops.drbnet.dynamic_filter.default:
                self.total += result.numel() * arguments[1].shape[1]
            elif function in products and all(isinstance(one, torch.Tensor) for one in arguments):
                self.total += result.numel()
            return result

    with torch.device("meta"):
        network = MODELS[name].build().eval()
        views = torch.zeros(VIEWS[dual(name)], 1, 3, size, size)
    with torch.no_grad(), Counter() as counter:
        network(*views)
    return float(counter.total) / 1e9


def dual(name: str) -> bool:
    """Whether a network takes three views."""
    return name.endswith("-dual")


def parameters(name: str) -> int:
    """How many a network has, without what is there to train it."""
    import torch

    from drbnet.models import MODELS

    with torch.device("meta"):
        return sum(one.numel() for one in MODELS[name].build().parameters())


def measure(name: str, row: str, options: argparse.Namespace) -> dict[str, float]:
    """Peak MiB and median seconds of a network in this process."""
    import torch

    from drbnet.distributed import Processes
    from drbnet.learner import Learner
    from drbnet.models import MODELS
    from drbnet.options import Config

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    before = resident()
    model = MODELS[name]
    network = model.build()
    patches = torch.rand(1, VIEWS[dual(name)], 3, options.size, options.size) * 2 - 1
    target = torch.rand(1, 3, options.size, options.size) * 2 - 1
    defocus = torch.rand(1, 1, options.size, options.size)

    def forward() -> None:
        with torch.inference_mode():
            network(*patches.unbind(1))

    if row == "step":
        config = Config(model=name, batch=1)
        processes = Processes(0, 1, torch.device("cpu"))
        aid = None if model.aid is None else model.aid()
        learner = Learner(
            network, config, processes, learning_rate=1e-4, epochs=1, distance=model.distance, aid=aid
        )

    def step() -> None:
        learner.gradients(patches, target, defocus if model.needs_defocus else None)
        learner.apply()

    network.train(row == "step")
    run: Callable[[], None] = {"forward": forward, "step": step}[row]
    clock, processor = [], []
    for _ in range(1 + options.repeats):
        started, used = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return {
        "peak": resident() - before,
        "clock": statistics.median(clock[1:]),
        "processor": statistics.median(processor[1:]),
    }


def in_a_process(name: str, row: str, options: argparse.Namespace) -> dict[str, float]:
    """`measure` in a process that does nothing else."""
    command = [sys.executable, __file__, "--one", name, row]
    command += ["--threads", str(options.threads), "--repeats", str(options.repeats)]
    command += ["--size", str(options.size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(options: argparse.Namespace) -> None:
    from drbnet.models import MODELS

    print(f"\n1 x {options.size} x {options.size}, float32, threads: {options.threads}\n")
    print("| network | parameters | GMAC | forward: clock / CPU, s | MiB | step: clock / CPU, s | MiB |")
    print("|---|---|---|---|---|---|---|")
    for name in options.networks or MODELS:
        cells = [name, f"{parameters(name):,}", f"{multiplications(name, options.size):.1f}"]
        for row in ROWS:
            found = in_a_process(name, row, options)
            cells += [f"{found['clock']:.2f} / {found['processor']:.2f}", f"{found['peak']:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", help="some of them; default: all")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs in a process")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=320, help="height and width, px")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "ROW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    # A file of this folder has the package's name: the package's folder must come first in the search.
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(here.parent), *(path for path in sys.path if path != str(here))]
    if options.one:
        name, row = options.one
        print(json.dumps(measure(name, row, options)))
    else:
        table(options)


if __name__ == "__main__":
    main()

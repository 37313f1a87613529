"""The network against its plain form with an unfolding filter (`unfolding_drbnet.py`). Tables in Markdown.

    python benchmarks/drbnet.py [--rows forward step] [--rounds 3] [--threads 2]

    forward   deblurring one picture of 1120 x 1680, without gradients
    step      a training step on 2 patches of 320 x 320: L1 at all scales, gradients, RAdam

Each run is a process of its own, the two forms in turns. Peak memory is the process's largest resident size less
what it was with the weights and pictures made. Times are medians: on the clock, and CPU seconds of all threads (of a
busy machine they are comparable with OMP_WAIT_POLICY=passive in the environment, for waiting threads spin otherwise).
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

FORMS = ("plain", "ours")
SIZES = {"forward": (1, 1120, 1680), "step": (2, 320, 320)}
TARGETS = {"forward": (0.5, 0.42), "step": (0.65, 0.75)}  # peak memory, time: of the plain form's


def resident() -> float:
    """Largest resident size so far in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(form: str, row: str, threads: int, repeats: int, size: tuple[int, int, int]) -> dict[str, float]:
    """Peak MiB and median seconds of one form in this process."""
    import torch
    from torch import Tensor
    from torch.nn import functional
    from unfolding_drbnet import UnfoldingDRBNet

    from drbnet.models.drbnet import DRBNet

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = UnfoldingDRBNet() if form == "plain" else DRBNet()
    scales: Callable[[Tensor], list[Tensor]] = model if isinstance(model, UnfoldingDRBNet) else model.scales
    number, height, width = size
    image, target = (torch.rand(number, 3, height, width) * 2 - 1 for _ in range(2))
    optimiser = torch.optim.RAdam(model.parameters(), lr=1e-4, betas=(0.9, 0.99))

    def forward() -> None:
        with torch.inference_mode():
            scales(image)[-1].clamp(-1, 1)

    def step() -> None:
        optimiser.zero_grad()
        losses = [
            functional.l1_loss(output, functional.avg_pool2d(target, width // output.shape[-1]))
            for output in scales(image)
        ]
        torch.stack(losses).sum().backward()
        optimiser.step()

    run = {"forward": forward, "step": step}[row]
    before, clock, processor = resident(), [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return {
        "peak": resident() - before,
        "clock": statistics.median(clock[1:] or clock),  # the first makes and loads what is kept
        "processor": statistics.median(processor[1:] or processor),
    }


def against_plain(row: str, options: argparse.Namespace) -> None:
    found: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for _ in range(options.rounds):
        for form in FORMS:
            command = [
                sys.executable,
                __file__,
                "--one",
                form,
                "--rows",
                row,
                "--threads",
                str(options.threads),
            ]
            command += ["--repeats", str(options.repeats)]
            if options.size:
                command += ["--size", *map(str, options.size)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[form].append(json.loads(done.stdout.splitlines()[-1]))
    number, height, width = options.size or SIZES[row]
    print(
        f"\n{row}: {number} x {height} x {width}, float32, {options.threads} threads, {options.rounds} rounds\n"
    )
    print("| | plain | ours | ratio | asked |")
    print("|---|---|---|---|---|")
    memory, duration = TARGETS[row]
    names = {
        "peak": ("peak memory, MiB", memory),
        "clock": ("clock, s", duration),
        "processor": ("CPU, s", duration),
    }
    for key, (name, asked) in names.items():
        plain, ours = (statistics.median(run[key] for run in found[form]) for form in FORMS)
        print(f"| {name} | {plain:.4g} | {ours:.4g} | {ours / plain:.2f} | {asked} |", flush=True)


ROWS: dict[str, Callable[[str, argparse.Namespace], None]] = {"forward": against_plain, "step": against_plain}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=sorted(ROWS), default=sorted(ROWS))
    parser.add_argument("--rounds", type=int, default=3, help="processes of each form")
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs in a process, of which the first is not timed"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=3, metavar=("N", "H", "W"), help="other pictures")
    parser.add_argument("--one", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        # This file has the package's name: its folder must come after the package's in the search.
        here = Path(__file__).resolve().parent
        sys.path[:] = [str(here.parent), *(path for path in sys.path if path != str(here)), str(here)]
        (row,) = options.rows
        size = tuple(options.size or SIZES[row])
        print(json.dumps(measure(options.one, row, options.threads, options.repeats, size)))
        return
    for row in options.rows:
        ROWS[row](row, options)


if __name__ == "__main__":
    main()

"""``python -m drbnet.evaluate``: what a network's output, and its input, score against sharp pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from drbnet.choices import Device
from drbnet.terminal import (
    SETTINGS,
    Shown,
    debug_option,
    device_option,
    in_bytes,
    memory_option,
    threads_option,
    weights_option,
)
from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from drbnet.datasets import Pairs
    from drbnet.scoring import Outcome

PROTOCOLS = ("paper", "8bit", "16bit", "gaussian")
"""Those of `drbnet.protocols`, which loads torch."""
LAYOUTS = ("lfdof", "dpdd", "realdof", "folders")
"""Those that have sharp pictures."""

EXAMPLES = """\b
Examples:
  python -m drbnet.evaluate --weights drbnet.pth --data dpdd/ --protocol paper
  python -m drbnet.evaluate --weights drbnet.pth --data lfdof/ --lpips-weights alexnet-owt-7be5be79.pth --out scores/a
  python -m drbnet.evaluate --data realdof/
\b
Protocols (see drbnet/protocols.py; all crop to multiples of 16 px):
  paper     as the paper's Table 2: 8 bits read, output not rounded, SSIM uniform 7 x 7
  8bit      as paper, output rounded to 8 bits
  16bit     as paper, all bits of 16-bit files read
  gaussian  as paper, SSIM Gaussian 11 x 11
"""


class _Shown(Shown):
    """A bar of all pairs."""

    def __init__(self, count: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        super().__init__(*columns, total=count)

    def ended(self, outcome: Outcome) -> None:
        """A pair has been scored, or set aside."""
        from drbnet.score_files import line

        self._bar.advance(self._task)
        if outcome.row is None:
            self.fault(str(outcome.fault))
        else:
            self.line(line(outcome.row))


@click.command(
    "drbnet.evaluate",
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@weights_option(
    "Trained weights: .safetensors, .pth, or a checkpoint.  [default: none, the inputs alone are scored]",
    required=False,
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Dataset with sharp pictures.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), default="paper", help="[default: paper]")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Of --data.  [default: told from its folders]")
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", help="[default: test]")
@click.option(
    "--lpips-weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="torchvision's alexnet-owt-7be5be79.pth; without it LPIPS is n/a.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of scores.csv and scores.json.  [default: scores/DATA-PROTOCOL-WEIGHTS]",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="So many pairs, evenly spread.")
@click.option("--again", is_flag=True, help="Score pictures anew that an earlier run has scored.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the intervals.  [default: 0]")
@device_option
@threads_option
@memory_option(
    "For a picture; larger ones are cut into tiles, to the same scores.  [default: half of what is free]"
)
@debug_option
def cli(
    weights: Path | None,
    data: Path,
    protocol: str,
    layout: str | None,
    split: str,
    lpips_weights: Path | None,
    out: Path | None,
    limit: int | None,
    again: bool,
    seed: int,
    device: str,
    threads: int | None,
    memory: float | None,
    debug: bool,
) -> int:
    """Score a network on a dataset: PSNR, SSIM, LPIPS and MAE of its output, and of the input itself.

    Of each picture (scores.csv), and their mean with a 95 % bootstrap interval over targets (scores.json), with all
    that they depend on. Without --weights the inputs alone are scored. Stopped or killed, the same command goes on
    with the pictures that are missing.
    """
    import torch

    from drbnet import protocols, score_files, scoring
    from drbnet.deblurring import Deblurrer
    from drbnet.lpips import load_lpips
    from drbnet.weights import chosen_device

    if threads is not None:
        torch.set_num_threads(threads)
    chosen = protocols.PROTOCOLS[protocol]()
    deblurrer = (
        None if weights is None else Deblurrer.load(weights, device=Device(device), memory=in_bytes(memory))
    )
    dual = deblurrer is not None and deblurrer.architecture.dual
    found, count = _pairs(data, layout, split, dual, limit)
    place = chosen_device(Device(device))
    lpips = None if lpips_weights is None else load_lpips(lpips_weights, place)
    folder = out or Path("scores", _name(data, protocol, weights))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f"it cannot be made ({error.strerror})", "choose another --out") from error
    scorer = scoring.Scorer(chosen, deblurrer, lpips, place)
    click.echo(f"{found.describe()}; {chosen}")
    # TF32 would cost three of float32's seven digits.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False), _Shown(len(found)) as shown:
        outcomes = scoring.run(scorer, found.pairs, data, folder, again=again, report=shown.ended)
    rows = [one.row for one in outcomes if one.row is not None]
    if not rows:
        raise InputError(data, f"not one of its {len(found)} pairs can be scored", "see what is said of each")
    means = score_files.means(rows, seed=seed)
    origin = score_files.Origin(
        protocol={"name": chosen.name, "text": str(chosen)},
        weights=None
        if deblurrer is None
        else {
            "path": str(weights),
            "sha256": deblurrer.digest,
            "network": str(deblurrer.architecture),
        },
        data={
            "path": str(data),
            "layout": found.layout.value,
            "split": split,
            "pairs": len(found),
            "of": count,
            "fingerprint": found.fingerprint(),
        },
        lpips=None if lpips_weights is None else scoring.lpips_digests(lpips_weights),
        device=str(place),
        seed=seed,
        versions=scoring.versions(),
    )
    score_files.write(folder, origin, outcomes, means)
    for text in score_files.table(means):
        click.echo(text)
    targets = len({row.target for row in rows})
    click.echo(
        f"means of {len(rows)} pictures, 95 % bootstrap intervals over {targets} targets; see {folder}"
    )
    if lpips is None:
        click.echo("LPIPS is n/a: name torchvision's alexnet-owt-7be5be79.pth by --lpips-weights")
    aside = len(outcomes) - len(rows)
    if aside:
        click.echo(f"{aside} set aside, the means are without them", err=True)
    return 1 if aside else 0


def _pairs(data: Path, layout: str | None, split: str, dual: bool, limit: int | None) -> tuple[Pairs, int]:
    """Pairs that are scored, and of how many they are."""
    from dataclasses import replace

    from drbnet.datasets import Layout, Split, find
    from drbnet.validation import spread

    pairs = find(data, layout=None if layout is None else Layout(layout), split=Split(split), dual=dual)
    if any(pair.target is None for pair in pairs.pairs):
        fault = f"of the layout {pairs.layout.value}, it has no sharp pictures to compare with"
        raise InputError(data, fault, "deblur it by python -m drbnet.deblur, or name another dataset")
    chosen = pairs.pairs if limit is None else spread(pairs, limit)
    return replace(pairs, pairs=chosen), len(pairs)


def _name(data: Path, protocol: str, weights: Path | None) -> str:
    """Of the folder of the results."""
    text = "-".join((data.resolve().name, protocol, "input" if weights is None else weights.stem))
    return re.sub(r"[^\w.\-]+", "_", text)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.evaluate", arguments)


if __name__ == "__main__":
    main()

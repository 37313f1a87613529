"""``python -m drbnet.convert``: weights that other authors published, as a file that all commands here take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from drbnet.terminal import SETTINGS, debug_option
from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

EXAMPLES = """\b
Examples:
  python -m drbnet.convert single_3level.npz --to kpac.safetensors
  python -m drbnet.convert dpdnet_single.hdf5 --to dpdnet.safetensors
  python -m drbnet.convert IFAN.pytorch --to ifan.safetensors
"""


@click.command(
    "drbnet.convert",
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@click.argument("released", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    help="A .safetensors file; replaced if it is there.",
)
@click.option(
    "--model",
    type=click.Choice(["dpdnet", "kpac", "kpac-2", "ifan", "ifan-dual"]),
    help="What it must be of.  [default: what it looks like]",
)
@debug_option
def cli(released: Path, to: Path, model: str | None, debug: bool) -> None:
    """Convert RELEASED weights of another network: KPAC's .npz, DPDNet's .hdf5 for single pictures, IFAN's state dict.

    Nothing that a file holds is run. DRBNet's own released weights need no conversion.
    """
    if to.suffix.lower() != ".safetensors":
        raise InputError(to, "weights are written as .safetensors", "name it so")
    import safetensors.torch

    from drbnet.released_weights import read_released
    from lfsynth.pictures import write_bytes_atomic

    name, weights = read_released(released, model)
    # One entry: safetensors writes several in no order, and the same weights shall be the same file.
    notes = {"notes": json.dumps({"model": name, "converted from": released.name})}
    write_bytes_atomic(to, safetensors.torch.save(weights, notes))
    count = sum(one.numel() for one in weights.values())
    click.echo(f"{to}: {name}, {count:,} parameters in {len(weights)} tensors of {released.name}")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.convert", arguments)


if __name__ == "__main__":
    main()

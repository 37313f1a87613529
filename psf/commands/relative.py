"""``psf relative``: the kernel between two kernels."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "relative",
    epilog="\b\nExamples:\n"
    "  psf relative near/:g far/:g --out near_to_far/\n"
    "  psf relative a.npy b.npy --out relative/",
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the relative kernel.")
def command(first: str, second: str, out: Path) -> None:
    """Find the kernel that blurs kernel A into B, or B into A.

    Both directions are tried, and the one that leaves less is kept. A kernel is a .npy or float TIFF file, or a folder
    of psf estimate, with :NAME where it has several kernels. Writes the kernel as .npy and float TIFF, a figure, and
    relative.json into --out.
    """
    from psf.kernel_files import read_kernel
    from psf.relative import Direction, relative_kernel
    from psf.relative_folder import write_relative

    kernels = [read_kernel(text) for text in (first, second)]
    found = relative_kernel(kernels[0].kernel, kernels[1].kernel)
    write_relative(out, found, (first, second), (kernels[0].kernel, kernels[1].kernel))
    names = (first, second) if found.direction is Direction.FIRST_TO_SECOND else (second, first)
    click.echo(
        f"from {names[0]} to {names[1]}: {len(found.kernel)} px, residual {found.residual:.3f} "
        f"(the other way {found.other_residual:.3f})"
    )

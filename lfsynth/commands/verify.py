"""``lfsynth verify``: a dataset's files against its manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify")
@click.argument("dataset", type=click.Path(path_type=Path))
def command(dataset: Path) -> int:
    """Compare the files of a dataset with its manifest, by size and checksum.

    \b
    Example:
      lfsynth verify lfdof/
    """
    from lfsynth.lfdof import read_manifest, verify

    number, faults = verify(dataset)
    for fault in faults:
        click.echo(fault)
    failed = [row for row in read_manifest(dataset) if row["kind"] == "failed"]
    for row in failed:
        click.echo(f"set aside when the dataset was made: {row['fault']}")
    click.echo(f"{dataset}: {number} pictures in the manifest, {len(faults)} faults")
    return 1 if faults else 0

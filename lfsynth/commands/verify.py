"""``lfsynth verify``: a dataset's files against its manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify", epilog="\b\nExample:\n  lfsynth verify lfdof/")
@click.argument("dataset", type=click.Path(path_type=Path))
def command(dataset: Path) -> int:
    """Compare the files of a dataset with its manifest, by size and checksum.

    Exits with 1 where one is missing, changed or not in the manifest.
    """
    from lfsynth.lfdof import read_manifest, verify

    rows = read_manifest(dataset)
    faults = 0
    for fault in verify(dataset, rows):
        faults += 1
        click.echo(fault)
    failed = [row for row in rows if row["kind"] == "failed"]
    for row in failed:
        click.echo(f"set aside when the dataset was made: {row['fault']}")
    number = len(rows) - len(failed)
    click.echo(f"{dataset}: {number} pictures in the manifest, {faults} fault{'s' * (faults != 1)}")
    return 1 if faults else 0

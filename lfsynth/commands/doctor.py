"""``lfsynth doctor``: whether raw captures can be decoded, before the time is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lfsynth.commands.options import calibration_option, existing, path_argument

if TYPE_CHECKING:
    from lfsynth.lytro.doctor import Finding


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  lfsynth doctor raw/\n  lfsynth doctor raw/ --calibration caldata-B5144000123.tar --json",
)
@path_argument
@calibration_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a capture.")
def command(path: Path, calibration: tuple[Path, ...], as_json: bool) -> int:
    """Say of each raw capture what it is, whether its white picture is there, and what is wrong.

    Nothing is decoded. The exit code is 1 if a capture cannot be.
    """
    from lfsynth.commands.captures import find_captures
    from lfsynth.errors import InputError
    from lfsynth.lytro.calibration_cache import Calibrations, user_cache
    from lfsynth.lytro.doctor import examine

    captures = find_captures(path)
    where = existing(calibration) or (path if path.is_dir() else path.parent,)
    calibrations = Calibrations(where, user_cache())
    findings = []
    try:
        whites = len(calibrations.whites)
    except InputError as error:
        raise InputError(error.path, error.fault, f"{error.cure}; or name others by --calibration") from error
    if not as_json:
        click.echo(f"{len(captures)} captures; {whites} white pictures in {', '.join(map(str, where))}")
    for name, capture in captures.items():
        finding = examine(capture, calibrations)
        findings.append(finding)
        if as_json:
            click.echo(json.dumps(_facts(name, finding)))
        else:
            for line in _lines(name, finding):
                click.echo(line)
    if not as_json:
        for line in _summary(findings):
            click.echo(line)
    return 1 if any(finding.faults for finding in findings) else 0


def _facts(name: str, finding: Finding) -> dict[str, Any]:
    from lfsynth.lytro.lfr_layout import is_simulated

    choice = finding.choice
    return {
        "name": name,
        "path": str(finding.path),
        "can_be_decoded": not finding.faults,
        "simulated": None if finding.metadata is None else is_simulated(finding.metadata),
        "capture": None if finding.metadata is None else finding.metadata.settings(),
        "shape": None if finding.metadata is None else list(finding.metadata.shape),
        "white_picture": None if choice is None else choice.said,
        "cpu_seconds": round(finding.seconds, 2),
        "bytes": finding.bytes,
        "faults": list(finding.faults),
        "warnings": list(finding.warnings),
    }


def _lines(name: str, finding: Finding) -> list[str]:
    from lfsynth.lytro.lfr_layout import is_simulated

    lines = [f"{name}: {'cannot be decoded' if finding.faults else 'can be decoded'}"]
    metadata = finding.metadata
    if metadata is not None and is_simulated(metadata):
        lines[0] += ", SIMULATED"
    if metadata is not None:
        height, width = metadata.shape
        facts = [f"{metadata.model} {metadata.serial or 'without serial number'}", f"{width} x {height}"]
        facts += [
            text.format(value)
            for text, value in (
                ("zoom step {}", metadata.zoom_step),
                ("focus step {}", metadata.focus_step),
                ("{:.4g} s", metadata.exposure_time),
                ("ISO {:.0f}", metadata.iso),
                ("f/{:.2f}", metadata.f_number),
                ("{:.1f} mm", None if metadata.focal_length is None else 1000 * metadata.focal_length),
            )
            if value is not None
        ]
        lines.append("  " + ", ".join(facts))
    if finding.choice is not None:
        lines.append(f"  white picture: {finding.choice.said}")
    lines += [f"  note: {warning}" for warning in finding.warnings]
    lines += [f"  fault: {fault}" for fault in finding.faults]
    return lines


def _summary(findings: list[Finding]) -> list[str]:
    from lfsynth.commands.progress import duration
    from lfsynth.lytro.doctor import calibrating_seconds

    good = [finding for finding in findings if not finding.faults]
    lines = [f"{len(good)} of {len(findings)} captures can be decoded"]
    if good:
        seconds = sum(finding.seconds for finding in good) + calibrating_seconds(findings)
        size = sum(finding.bytes for finding in good) / 1e9
        lines.append(
            f"lfsynth decode: about {duration(seconds)} of CPU time (reckoned, not measured here), "
            f"{size:.2f} GB as hdf5"
        )
    return lines

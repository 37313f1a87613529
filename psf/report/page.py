"""The page itself: one HTML file that needs no script and no network, and prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from lfsynth import __version__
from psf.field import Variation
from psf.findings import FieldOf, Lateral, Measured, Results
from psf.kernel_figure import figure_of, reach_of
from psf.report import pictures

PAGE = "report.html"

_FIGURES = (
    ("fwhm", "FWHM px"),
    ("ee50", "EE50 px"),
    ("ee80", "EE80 px"),
    ("mtf50", "MTF50 c/px"),
    ("mtf50_x", "along x"),
    ("mtf50_y", "along y"),
)
"""Figures of merit in the table of all kernels, with their headings."""

_DIGITS = {"mtf50": 4, "mtf50_x": 4, "mtf50_y": 4, "angular_spread": 3}

_PARTS_PER_MILLION = 1e6


def page(results: Results, command: Mapping[str, Any]) -> str:
    """The page's text.

    Parameters
    ----------
    results : of the job
    command : options by name
    """
    style = (files("psf.report") / "report.css").read_text(encoding="utf-8")
    photographs = len(results.paths)
    heading = f"{_count(len(results.kernels), 'kernel')} from {_count(photographs, 'photograph')}"
    body = [
        f"<h1>{heading}</h1>",
        f'<p class="soft">{escape(_places(results))}; lfsynth {escape(__version__)}</p>',
        _table(results),
        _refused(results),
        *(_field(field, results) for field in results.fields),
        _lateral(results.lateral),
    ]
    for setting, channel in dict.fromkeys((one.setting, one.channel) for one in results.kernels):
        those = [one for one in results.kernels if (one.setting, one.channel) == (setting, channel)]
        body.append(_group(setting, channel, those, results.parts))
    body.append(_about(command))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _places(results: Results) -> str:
    """Where the photographs are."""
    folders = list(dict.fromkeys(str(path.parent) for path in results.paths))
    if len(results.paths) == 1:
        return str(results.paths[0])
    return ", ".join(folders[:3]) + (f" and {len(folders) - 3} more folders" if len(folders) > 3 else "")


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _table(results: Results) -> str:
    """Figures of merit of all kernels."""
    headings = [
        "kernel",
        "size",
        *(heading for _, heading in _FIGURES),
        "kind",
        "residual",
        "disks",
        "checks",
    ]
    rows = [_row(headings, "th")]
    for one in results.kernels:
        errors = one.profiles.merit_errors
        figures = [
            figure_of(getattr(one.merit, name), errors.get(name), _DIGITS.get(name, 2))
            for name, _ in _FIGURES
        ]
        kind = one.lattice.origin.value
        if one.lattice.period is not None:
            kind += f", spots {one.lattice.period:.2f} px apart"
        failed = [check for check in one.checks if not check.passed]
        verdict = '<span class="bad">failed</span>' if failed else '<span class="good">passed</span>'
        rows.append(
            _row(
                [
                    f'<a href="#{escape(one.name)}">{escape(one.name)}</a>',
                    str(len(one.kernel)),
                    *figures,
                    kind,
                    f"{one.estimate.quality.residual_over_noise:.2f}",
                    str(one.estimate.quality.disks),
                    verdict,
                ]
            )
        )
    steps = {one.seen[0].plane.step for one in results.kernels}
    what = (
        "Of relative kernels, which turn the sharp photograph into the blurred ones."
        if results.kernels[0].relative
        else "Of the system: lens and pixel together."
    )
    note = (
        "Lengths are pixels of the kernel, each of them "
        f"{steps.pop()} px of the sensor apart: the colours of a mosaic are measured as they are."
        if steps == {2}
        else "Lengths are pixels of the photograph."
    )
    return (
        f'<h2>Figures of merit</h2><div class="card"><table id="merits">{"".join(rows)}</table></div>'
        f'<p class="soft">{note} {what} ± is one standard error, from balanced halves of the disks: of the noise, '
        "without what the prior smooths. EE50 is the radius that holds half of the light. The residual is in units of "
        "the noise.</p>"
    )


def _refused(results: Results) -> str:
    if not results.refused:
        return ""
    rows = "".join(
        f'<tr><td>{escape(one.name)}</td><td class="text">{escape(one.fault)}</td></tr>'
        for one in results.refused
    )
    heading = '<tr><th>kernel</th><th class="text">why</th></tr>'
    return f'<h2>Refused</h2><div class="card"><table>{heading}{rows}</table></div>'


def _variation(variation: Variation, digits: int) -> list[str]:
    spread = "-" if variation.spread is None else f"{variation.spread:.{digits}f}"
    return [
        f"{variation.mean:.{digits}f}",
        spread,
        f"{variation.least:.{digits}f}",
        f"{variation.most:.{digits}f}",
    ]


def _field(found: FieldOf, results: Results) -> str:
    """A map of a channel's zones, with mean and spread."""
    zones = {
        one.zone: one
        for one in results.kernels
        if one.zone is not None and (one.setting, one.channel) == (found.setting, found.channel)
    }
    rows, columns = found.parts
    brightest = max(float(one.kernel.max()) for one in zones.values())
    reach = max(reach_of(one.kernel) for one in zones.values())
    cells = []
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            one = zones.get((row, column))
            if one is None:
                cells.append('<div class="none soft">refused</div>')
                continue
            source = pictures.kernel(one.kernel, brightest, reach)
            cells.append(
                f'<figure><a href="#{escape(one.name)}"><img src="{source}" alt="kernel {escape(one.name)}"></a>'
                f"<figcaption>{row}-{column}: {one.merit.fwhm:.2f} px</figcaption></figure>"
            )
    mean = pictures.kernel(found.field.mean, brightest, reach)
    spread = pictures.kernel(found.field.spread, float(found.field.spread.max()) or 1.0, reach)
    table = _row(["", "mean", "spread", "least", "most"], "th") + "".join(
        _row([heading, *_variation(found.field.figures[name], _DIGITS.get(name, 2))])
        for name, heading in _FIGURES
        if name in found.field.figures
    )
    title = " ".join(part for part in (found.setting, found.channel) if part)
    return (
        f"<h2>Over the field: {escape(title)}</h2>"
        '<div class="card"><div class="summary">'
        f'<div class="zones" style="grid-template-columns:repeat({columns},132px)">{"".join(cells)}</div><div>'
        f'<div class="summary"><figure><img src="{mean}" alt="mean kernel"><figcaption>mean</figcaption></figure>'
        f'<figure><img src="{spread}" alt="spread"><figcaption>spread, up to {found.field.spread.max():.2g}'
        f"</figcaption></figure></div><table>{table}</table></div></div></div>"
        '<p class="soft">Zones as they lie in the picture, each with its FWHM in px, in one scale of colours; '
        "spread is the standard deviation over the zones.</p>"
    )


def _lateral(found: Sequence[Lateral]) -> str:
    """Shifts between the colours."""
    if not found:
        return ""
    rows = [
        _row(
            [
                "colours",
                "photographs",
                "disks",
                "shift y px",
                "shift x px",
                "magnification ppm",
                "largest shift px",
            ],
            "th",
        )
    ]
    maps = []
    for one in found:
        mean = one.mean
        name = f"{one.setting} {one.first} to {one.second}".strip()
        rows.append(
            _row(
                [
                    escape(name),
                    str(mean.photographs),
                    str(sum(len(shot[0].points) for shot in one.shots)),
                    f"{mean.shift[0]:+.3f}",
                    f"{mean.shift[1]:+.3f}",
                    f"{mean.magnification * _PARTS_PER_MILLION:+.0f} ± "
                    f"{mean.magnification_error * _PARTS_PER_MILLION:.0f}",
                    f"{mean.largest:.3f}",
                ]
            )
        )
        shot = one.shots[0][0]
        source = pictures.arrows(shot.points, shot.shifts, one.shape)
        longest = float(np.hypot(*shot.shifts.T).max())
        maps.append(
            f'<figure><img src="{source}" alt="shifts"><figcaption>{escape(name)}: the longest arrow is '
            f"{longest:.3f} px</figcaption></figure>"
        )
    return (
        f'<h2>Lateral colour</h2><div class="card"><table>{"".join(rows)}</table>'
        f'<div class="pair">{"".join(maps)}</div></div>'
        '<p class="soft">Where the second colour shows the disks, from where the first one does; px of the sensor, '
        "positive down and to the right. The magnification is by how much the second colour's picture is larger.</p>"
    )


def _group(setting: str, channel: str, kernels: Sequence[Measured], parts: tuple[int, int]) -> str:
    """Photographs and kernels of one colour of one setting, of (rows, columns) of zones."""
    title = " ".join(part for part in (setting, channel) if part)
    shown = []
    for index, seen in enumerate(kernels[0].seen):
        used = np.any([one.seen[index].detection.usable for one in kernels], axis=0)
        detection = seen.detection
        shown.append(
            f'<figure><img src="{pictures.photograph(seen, used, parts)}" alt="photograph with disks">'
            f"<figcaption>{escape(seen.path.name)}, {escape(seen.plane.name)}: {detection.polarity.value}, "
            f"{detection.grid[0]} x {detection.grid[1]}, {detection.whole} whole disks, {detection.cut} cut by the "
            "border</figcaption></figure>"
        )
    return (
        f'<h2>{escape(title)}</h2><div class="card"><div class="photographs">{"".join(shown)}</div></div>'
        + "".join(_kernel(one) for one in kernels)
    )


def _kernel(one: Measured) -> str:
    quality = one.estimate.quality
    rows = [_row(["check", "value", "limit", ""], "th")]
    for check in one.checks:
        verdict = '<span class="good">✓</span>' if check.passed else '<span class="bad">✗</span>'
        bound = "at least" if check.least else "at most"
        rows.append(
            _row([check.meaning, check.text(check.value), f"{bound} {check.text(check.limit)}", verdict])
        )
    facts = {
        **_method(one),
        "disks used": f"{quality.disks} in {_count(quality.shots, 'photograph')}, {quality.cut} cut by the border",
        "disks' radius": f"{quality.disk_radius_px:.3f} px ({quality.radius_change_px:+.3f} px by the search)",
        "noise": f"{quality.noise:.2%} of the contrast",
        "contrast": f"{quality.contrast:.1%} of the light",
        "centre of mass": f"({quality.centre[0]:+.3f}, {quality.centre[1]:+.3f}) px (y, x) from the middle pixel",
        "angular spread": figure_of(
            one.merit.angular_spread, one.profiles.merit_errors.get("angular_spread"), 3
        ),
        "kind": f"{one.lattice.origin.value}, lattice score {one.lattice.score:.1f}",
    }
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return (
        f'<div class="card" id="{escape(one.name)}"><h3>{escape(one.name)}</h3>'
        f'<img class="figure" src="{pictures.picture(one.figure)}" alt="kernel, profile and transfer function">'
        f'<div class="pair"><table>{"".join(rows)}</table><dl>{terms}</dl></div>'
        f"{_models(one)}</div>"
    )


def _models(one: Measured) -> str:
    """The models that were fitted, best first."""
    if not one.models:
        return ""
    rows = [_row(["model", "parameters", "relative L2", "BIC over the best"], "th")]
    for candidate in one.models:
        fit = candidate.fit
        parameters = ", ".join(
            f"{name} {figure_of(value, fit.errors[name], 3)}" for name, value in fit.parameters.items()
        )
        over = candidate.bic - one.models[0].bic
        rows.append(_row([escape(fit.family), escape(parameters), f"{fit.relative_l2:.3f}", f"{over:.0f}"]))
    return f"<table>{''.join(rows)}</table>"


def _method(one: Measured) -> dict[str, str]:
    """How the kernel was estimated, in words."""
    found = one.estimate
    if found.prior is None or found.weight is None or found.share is None:
        return {"method": "Mannan and Langer's"}
    return {"prior": f"{found.prior.value}, share {found.share:g}", "weight": f"{found.weight:.3g}"}


def _about(command: Mapping[str, Any]) -> str:
    terms = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_text(value))}</dd>" for name, value in command.items()
    )
    return f'<h2>Command</h2><div class="card"><dl>{terms}</dl></div>'


def _text(value: Any) -> str:
    if value is None or value == () or value is False:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)

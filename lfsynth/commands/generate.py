"""``lfsynth generate``: light fields to an LFDOF dataset."""

from __future__ import annotations

from pathlib import Path

import click

from lfsynth.commands.options import numbers, pair, read_options, reading
from lfsynth.errors import InputError


@click.command("generate")
@click.option(
    "--lf-dir", required=True, type=click.Path(path_type=Path), help="Folder of light fields, or one light field."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the dataset.")
@click.option("--apertures", default=3, show_default=True, type=click.IntRange(1, 99), help="How many, one stop apart.")
@click.option("--radii", metavar="R,R,...", help="Apertures by radius in view steps instead.")
@click.option("--f-numbers", metavar="N,N,...", help="Apertures by f-number instead, where the light field tells it.")
@click.option("--blades", default=0, type=click.IntRange(0, 99), help="Sides of a polygonal aperture; 0: a disk.")
@click.option(
    "--focus", default=5, show_default=True, type=click.IntRange(1, 100), help="How many focus settings."
)
@click.option("--slopes", metavar="S,S,...", help="Disparities in focus instead, the same for all light fields.")
@click.option("--size", default="native", show_default=True, metavar="HxW", help="Size of the pictures, as 688x1008.")
@click.option("--bits", default="8", show_default=True, type=click.Choice(["8", "16"]), help="Bits a channel.")
@click.option(
    "--ground-truth",
    default="robust-average",
    show_default=True,
    type=click.Choice(["robust-average", "centre-view"]),
    help="How the all-in-focus picture is made.",
)
@click.option("--defocus-maps", is_flag=True, help="Also write maps of the circle of confusion.")
@click.option(
    "--test-fraction",
    default=0.06,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Part of the scenes that goes to test_data, chosen by a hash of the name.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many light fields, the first by name.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. Default: as cores and memory allow.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, how long it takes and how much disk; write nothing.")
@reading
@click.pass_obj
def command(
    debug: bool,
    lf_dir: Path,
    out: Path,
    apertures: int,
    radii: str | None,
    f_numbers: str | None,
    blades: int,
    focus: int,
    slopes: str | None,
    size: str,
    bits: str,
    ground_truth: str,
    defocus_maps: bool,
    test_fraction: float,
    limit: int | None,
    jobs: int | None,
    dry_run: bool,
    transfer: str | None,
    views: str | None,
    order: str | None,
    format_: str | None,
) -> int:
    """Make defocused / all-in-focus pairs from light fields, in the LFDOF layout.

    A light field is a folder of sub-aperture pictures, an HCI folder, an ESLF or tiled picture, a MAT or an HDF5 file.
    A run that was stopped goes on when started again; light fields that are done are not made anew.

    \b
    Examples:
      lfsynth generate --lf-dir raw/ --out lfdof/
      lfsynth generate --lf-dir raw/ --out lfdof/ --size 688x1008 --bits 16 --defocus-maps
      lfsynth generate --lf-dir raw/ --out lfdof/ --radii 2,4,6 --slopes=-1,0,1 --dry-run
    """
    from lfsynth.allinfocus import Method
    from lfsynth.generate import Recipe
    from lfsynth.lfdof import Dataset, scene_names
    from lfsynth.readers import find_light_fields, light_field_name

    options = read_options(transfer, views, order, format_)
    if radii and f_numbers:
        raise InputError("--radii", "given together with --f-numbers", "give one of them")
    if blades in (1, 2):
        raise InputError("--blades", f"an aperture of {blades} blades has no opening", "give at least 3, or 0 for a disk")
    recipe = Recipe(
        apertures=apertures,
        radii=numbers("--radii", radii, positive=True),
        f_numbers=numbers("--f-numbers", f_numbers, positive=True),
        blades=blades,
        focus=focus,
        slopes=numbers("--slopes", slopes),
        size=None if size == "native" else pair("--size", size),
        bits=int(bits),
        test_fraction=test_fraction,
        ground_truth=Method(ground_truth),
        defocus_maps=defocus_maps,
    )
    if out.resolve() == lf_dir.resolve() or out.resolve() in lf_dir.resolve().parents:
        raise InputError(out, "holds the light fields themselves", "choose another folder with --out")
    paths = [path for path in find_light_fields(lf_dir, options) if out.resolve() not in path.resolve().parents]
    scenes = scene_names(paths[:limit], (light_field_name(path) for path in paths[:limit]))
    if dry_run:
        from lfsynth.commands.forecast import forecast

        return forecast(scenes, recipe, options, jobs)
    from lfsynth.commands.progress import run_with_progress

    return run_with_progress(scenes, Dataset(out), recipe, options, jobs, debug=debug)

"""``lfsynth generate``: light fields to an LFDOF dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import (
    METHODS,
    bits_option,
    blades_option,
    camera,
    numbers,
    reading,
    sampling_option,
    size_of,
    size_option,
)
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from lfsynth.lens import Lens
    from lfsynth.readers import ReadOptions


@click.command(
    "generate",
    epilog="\b\nExamples:\n"
    "  lfsynth generate --lf-dir raw/ --out lfdof/\n"
    "  lfsynth generate --lf-dir raw/ --out lfdof/ --size 688x1008 --bits 16 --defocus-maps\n"
    "  lfsynth generate --lf-dir raw/ --out lfdof/ --radii 2,4,6 --slopes=-1,0,1 --dry-run\n"
    "  lfsynth generate --lf-dir raw/ --out lfdof/ --cats-eye 0.7 --noise-model 2e-4,1e-3 --psf psf/g_optical.npy",
)
@click.option(
    "--lf-dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of light fields, or one light field.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the dataset.")
@click.option(
    "--apertures",
    default=3,
    show_default=True,
    type=click.IntRange(1, 99),
    help="How many apertures, one stop apart.",
)
@click.option("--radii", metavar="R,R,...", help="Apertures by radius in view steps instead.")
@click.option("--f-numbers", metavar="N,N,...", help="Apertures by f-number, where light fields tell it.")
@blades_option
@sampling_option
@camera
@click.option(
    "--focus", default=5, show_default=True, type=click.IntRange(1, 100), help="How many focus settings."
)
@click.option("--slopes", metavar="S,S,...", help="Disparities in focus instead, the same for all.")
@size_option
@bits_option
@click.option(
    "--ground-truth",
    default=METHODS[0],
    show_default=True,
    type=click.Choice(METHODS),
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
@click.option(
    "--check-every",
    type=click.IntRange(0),
    metavar="N",
    help="Check the alignment of every N-th pair; 0: of none. Default: of the widest aperture's.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many light fields, the first by name.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. Default: as cores and memory allow.")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Let the workers of this Dask scheduler do it, as tcp://scheduler:8786 (extra cluster); they must see the "
    "folders under the same paths.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and its time and disk; write nothing.")
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
    sampling: str,
    focus: int,
    slopes: str | None,
    size: str,
    bits: str,
    ground_truth: str,
    defocus_maps: bool,
    test_fraction: float,
    check_every: int | None,
    limit: int | None,
    jobs: int | None,
    cluster: str | None,
    dry_run: bool,
    lens: Lens,
    options: ReadOptions,
) -> int:
    """Make defocused / all-in-focus pairs from light fields, in the LFDOF layout.

    A light field is a folder of sub-aperture pictures, an HCI folder, an ESLF or tiled picture, a MAT or an
    HDF5 file, or a raw Lytro Illum capture (LFR) whose camera's white pictures are there too. A run that was
    stopped goes on when started again; what is done is not made anew.
    """
    from lfsynth.allinfocus import Method
    from lfsynth.aperture import Sampling
    from lfsynth.batch import Job
    from lfsynth.generate import Recipe
    from lfsynth.lfdof import Dataset

    if radii and f_numbers:
        raise InputError("--radii", "given together with --f-numbers", "give one of them")
    if blades in (1, 2):
        raise InputError(
            "--blades", f"an aperture of {blades} blades has no opening", "give at least 3, or 0 for a disk"
        )
    if cluster is not None and jobs is not None:
        raise InputError("--jobs", "given together with --cluster", "start as many workers as wanted")
    recipe = Recipe(
        apertures=apertures,
        radii=numbers("--radii", radii, positive=True),
        f_numbers=numbers("--f-numbers", f_numbers, positive=True),
        blades=blades,
        aperture_sampling=Sampling(sampling),
        lens=lens,
        focus=focus,
        slopes=numbers("--slopes", slopes),
        size=size_of(size),
        bits=int(bits),
        test_fraction=test_fraction,
        ground_truth=Method(ground_truth),
        defocus_maps=defocus_maps,
        check_every=check_every,
    )
    if not options.calibration and lf_dir.is_dir():
        options = replace(options, calibration=(lf_dir,))
    scenes = _scenes(lf_dir, out, options)
    scenes = dict(list(scenes.items())[:limit])
    job = Job(Dataset(out), recipe, options, debug=debug)
    if dry_run:
        from lfsynth.commands.forecast import forecast

        return forecast(job, scenes, jobs)
    from lfsynth.commands.progress import run_with_progress

    if cluster is not None:
        from lfsynth.cluster import connected

        with connected(cluster, lambda line: click.echo(line, err=True)):
            return run_with_progress(job, scenes, jobs)
    return run_with_progress(job, scenes, jobs)


def _scenes(lf_dir: Path, out: Path, options: ReadOptions) -> dict[str, Path]:
    """The light fields by name; those that are the dataset's own pictures are none."""
    from lfsynth.lfdof import scene_names
    from lfsynth.readers import find_light_fields, light_field_name

    to = out.resolve()
    if to == lf_dir.resolve() or to in lf_dir.resolve().parents:
        raise InputError(out, "holds the light fields themselves", "choose another folder with --out")
    paths = [path for path in find_light_fields(lf_dir, options) if to not in path.resolve().parents]
    for path in paths:
        if path.resolve() == to or path.resolve() in to.parents:
            raise InputError(out, f"lies in the light field {path}", "choose another folder with --out")
    if not paths:
        raise InputError(lf_dir, "holds no light fields beside the dataset", "give a folder of light fields")
    return scene_names(paths, (light_field_name(path) for path in paths))

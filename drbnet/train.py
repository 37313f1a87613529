"""``python -m drbnet.train``: train a deblurring network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

import click

from drbnet import configuration
from drbnet.options import GROUPS, Config
from drbnet.terminal import SETTINGS, debug_option
from lfsynth.command_line import run as run_command

EXAMPLES = """\b
Examples:
  python -m drbnet.train --data lfdof/ --out runs/a
  python -m drbnet.train --data lfdof/ --model ifan --out runs/ifan
  python -m drbnet.train --data lfdof/ --finetune dpdd/ --vgg19 vgg19-dcbb9e9d.pth --out runs/a
  python -m drbnet.train --finetune dpdd/ --weights runs/a/weights/stage-1.pth --vgg19 vgg19-dcbb9e9d.pth --out runs/b
  torchrun --nproc-per-node 4 -m drbnet.train --config paper.toml --out runs/c
"""


class GroupedCommand(click.Command):
    """A command whose help shows its options by groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section a group."""
        groups = {one.name: one.metadata["group"] for one in fields(Config)}
        for group in (*GROUPS, "Other"):
            records = [
                record
                for parameter in self.get_params(ctx)
                if groups.get(parameter.name or "", "Other") == group
                and (record := parameter.get_help_record(ctx)) is not None
            ]
            with formatter.section(group):
                formatter.write_dl(records)


def _add_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option of the command line for each field of `Config`; what is not given is None."""
    kinds = configuration.kinds()
    for one in reversed(fields(Config)):
        flag = f"--{configuration.dashed(one.name)}"
        help_ = f"{one.metadata['help']}{_default(one.default)}"
        choices = one.metadata["choices"] or _values(kinds[one.name])
        if kinds[one.name] is bool:
            option = click.option(f"{flag}/--no-{flag[2:]}", one.name, default=None, help=help_)
        elif choices:
            option = click.option(flag, one.name, type=click.Choice(choices), help=help_)
        else:
            option = click.option(flag, one.name, metavar=_metavar(kinds[one.name]), help=help_)
        command = option(command)
    return command


def _values(kind: Any) -> tuple[str, ...]:
    return tuple(one.value for one in kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()


def _metavar(kind: Any) -> str:
    names = {int: "N", float: "X", str: "NAME", tuple[float, ...]: "X,X,...", tuple[str, ...]: "NAME,..."}
    return names.get(kind, "NAME" if kind == str | None else "PATH")


def _default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, tuple):
        value = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, float):
        value = f"{value:.4g}"
    return f"  [default: {value}]"


@click.command(
    "drbnet.train",
    cls=GroupedCommand,
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of options.")
@_add_options
@debug_option
def cli(config_file: Path | None, debug: bool, **given: Any) -> int:
    """Train DRBNet, or a network that it is compared with: stage 1 on light-field pairs, stage 2 on real ones.

    What the paper states is the default. Killed at any moment, the same command goes on where the last checkpoint
    was, to the same weights. Under torchrun, --batch counts the patches of all processes together.
    """
    config = configuration.load(
        config_file, {name: value for name, value in given.items() if value is not None}
    )

    from drbnet.distributed import processes
    from drbnet.run import run
    from drbnet.training_progress import duration, view

    with processes(config.device) as group:
        shown = view(leads=group.leads)
        try:
            outcome = run(config, group, shown)
        finally:
            shown.close()
    if group.leads:
        position = outcome.position
        skipped = f", {position.skipped} of them skipped" if position.skipped else ""
        left_out = f", {len(position.damaged)} damaged pairs left out" if position.damaged else ""
        best = (
            f", best {position.best_psnr:.3f} dB at step {position.best_step}"
            if position.best_step >= 0
            else ""
        )
        click.echo(
            f"{config.out}: {outcome.ending.value} after {position.step} steps{skipped}{left_out} in "
            f"{duration(position.seconds)}{best}"
        )
    return 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.train", arguments)


if __name__ == "__main__":
    main()

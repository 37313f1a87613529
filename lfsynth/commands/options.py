"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lfsynth.errors import InputError
from lfsynth.readers.options import Format, Order, ReadOptions
from lfsynth.transfer import Transfer

F = TypeVar("F", bound=Callable[..., Any])

path_argument = click.argument("path", type=click.Path(path_type=Path))


def reading(command: F) -> F:
    """Options that say how to read a light field; `read_options` takes them."""
    decorators = (
        click.option(
            "--transfer",
            metavar="CURVE",
            help="Curve of the stored values: srgb, linear or gamma:2.2. Default: what the file says, else srgb for "
            "integers and linear for floats.",
        ),
        click.option(
            "--views",
            metavar="UxV",
            help="Number of views, rows x columns, where names cannot tell, and for one tiled picture.",
        ),
        click.option("--order", type=click.Choice([o.value for o in Order]), help="How views are counted in file names."),
        click.option("--format", "format_", type=click.Choice([f.value for f in Format]), help="What PATH holds."),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def read_options(transfer: str | None, views: str | None, order: str | None, format_: str | None) -> ReadOptions:
    """Turn the options of `reading` into what the readers take."""
    return ReadOptions(
        transfer=None if transfer is None else Transfer.parse(transfer),
        views=None if views is None else pair("--views", views),
        order=None if order is None else Order(order),
        format=None if format_ is None else Format(format_),
    )


def pair(option: str, text: str) -> tuple[int, int]:
    """Read ``13x13``; an InputError names the option."""
    match = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise InputError(option, f"{text!r} is not of the form 13x13", "give two whole numbers above 0")
    if option == "--views" and int(match[1]) * int(match[2]) < 2:
        raise InputError(option, f"{text!r} is a single view", "a light field has more than one")
    return int(match[1]), int(match[2])


def numbers(option: str, text: str | None, *, positive: bool = False) -> tuple[float, ...]:
    """Read ``-1,0,0.5``; None is empty; an InputError names the option."""
    if text is None:
        return ()
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(option, f"{text!r} is not a list of numbers", "separate numbers by commas: 1,2.5,4") from None
    if not all(abs(v) < 1e6 and (v > 0 or not positive) for v in values):
        raise InputError(option, f"{text!r} holds a number out of range", "give numbers above 0" if positive else "give finite numbers")
    if len(set(values)) != len(values):
        raise InputError(option, f"{text!r} holds a number twice", "name each once")
    return values

"""A run's options from a TOML file and the command line, and back into a file.

An option's name in the file is the field's name; on the command line it has ``-`` for ``_``. What the command line
gives goes before the file, and what neither gives has the default of `drbnet.options`.
"""

from __future__ import annotations

import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

from drbnet.options import GROUPS, STAGE_2, Config
from lfsynth.errors import InputError

LEAST_VGG_PATCH = 32
"""px: at 1/8 of it, two maxima over 2 x 2 leave a pixel."""


def parsed(name: str, value: Any, *, source: str) -> Any:
    """A field's value from text of the command line or from a TOML value.

    Parameters
    ----------
    name : of the field
    source : what an error names

    Raises
    ------
    InputError : where it is no such value, or out of range
    """
    one = {each.name: each for each in fields(Config)}[name]
    kind = kinds()[name]
    try:
        result = _converted(value, kind)
    except (TypeError, ValueError):
        raise InputError(
            source, f"{value!r} is not {_expected(kind)}", f"see --{dashed(name)} in --help"
        ) from None
    least, most, choices = (one.metadata[key] for key in ("least", "most", "choices"))
    if choices and result not in choices:
        raise InputError(source, f"{value!r} is none of {', '.join(choices)}", "choose one of them")
    numbers = result if isinstance(result, tuple) else (result,)
    for number in numbers:
        if isinstance(number, float) and not math.isfinite(number):
            raise InputError(source, f"{value!r} is no finite number", "give one")
        if least is not None and number < least:
            raise InputError(source, f"{number} is less than {least:g}", "give a larger one")
        if most is not None and number > most:
            raise InputError(source, f"{number} is more than {most:g}", "give a smaller one")
    return result


def load(file: Path | None, given: Mapping[str, Any]) -> Config:
    """The options of a run.

    Parameters
    ----------
    file : TOML
    given : values of fields that the command line gave, as text or already of the field's type

    Raises
    ------
    InputError : for unknown names, values out of range, and options that do not go together
    """
    values: dict[str, Any] = {}
    if file is not None:
        values = {
            name: parsed(name, value, source=f"{file}: {name}") for name, value in _read_toml(file).items()
        }
    values |= {name: parsed(name, value, source=f"--{dashed(name)}") for name, value in given.items()}
    config = Config(**values)
    _check_together(config)
    return config


def as_toml(config: Config) -> str:
    """All options as a file that `load` reads; those without a value stand in comments."""
    lines = []
    for group in GROUPS:
        lines.append(f"# {group}")
        for one in fields(config):
            if one.metadata["group"] == group:
                value = getattr(config, one.name)
                lines.append(f"# {one.name} =" if value is None else f"{one.name} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def differences(then: Config, now: Config, *, finetuning: bool) -> list[str]:
    """What a run cannot go on with: ``--name 1 (now 2)`` for each option that must not change and did.

    Parameters
    ----------
    finetuning : whether stage 2 has begun; before, its options may change
    """
    found = []
    for one in fields(Config):
        # How VGG-19 is used is said once for both stages.
        later = one.name == "finetune_layout" or (one.metadata["group"] == STAGE_2 and not then.vgg)
        free = one.metadata["may_change"] or (later and not finetuning)
        old, new = getattr(then, one.name), getattr(now, one.name)
        if not free and old != new:
            found.append(f"--{dashed(one.name)} {_plain(old)} (now {_plain(new)})")
    return found


def kinds() -> dict[str, Any]:
    """Type of each field."""
    return typing.get_type_hints(Config)


def dashed(name: str) -> str:
    """A field's name on the command line."""
    return name.replace("_", "-")


def _check_together(config: Config) -> None:
    if config.data is None and config.finetune is None:
        raise InputError(
            "--data", "no dataset is named", "give --data for stage 1, --finetune for stage 2, or both"
        )
    if config.out is None:
        raise InputError("--out", "no folder is named for the run", "give --out FOLDER")
    if config.patch % 8:
        raise InputError(
            "--patch", f"{config.patch} is no multiple of 8", "the network halves it three times"
        )
    if config.batch % config.accumulate:
        raise InputError(
            "--accumulate",
            f"{config.accumulate} parts of {config.batch} patches differ",
            "give a divisor of --batch",
        )
    if config.bits not in (8, 16):
        raise InputError("--bits", f"{config.bits} is neither 8 nor 16", "give one of them")
    for low, high in (("noise_least", "noise_most"), ("scale_least", "scale_most")):
        if getattr(config, low) > getattr(config, high):
            raise InputError(f"--{dashed(low)}", f"it is more than --{dashed(high)}", "give a smaller one")
    if config.mix is not None and config.data is None:
        raise InputError("--mix", "there is no stage 1 to mix it into", "give --data too")
    if needs_vgg19(config) and config.patch < LEAST_VGG_PATCH:
        fault = f"{config.patch} px is too small for VGG-19's features at 1/8"
        raise InputError("--patch", fault, f"give at least {LEAST_VGG_PATCH}")
    if config.finetune is not None and config.finetune_vgg == 0 and config.finetune_l1 == 0:
        raise InputError("--finetune-vgg", "it and --finetune-l1 are both 0", "give one of them a weight")


def needs_vgg19(config: Config) -> bool:
    """Whether one of its stages takes VGG-19's features."""
    first, second = config.data is not None, config.finetune is not None
    return bool((first and config.vgg) or (second and config.finetune_vgg))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(file, f"it cannot be read ({error.strerror})", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(file, f"it is no TOML ({error})", "correct it") from None
    known = {one.name for one in fields(Config)}
    for name in table:
        if name not in known:
            raise InputError(file, f"there is no option {name}", "see --help; names have _ for -")
    return table


def _converted(value: Any, kind: Any) -> Any:
    if isinstance(kind, types.UnionType):  # a value or None
        (kind,) = (one for one in typing.get_args(kind) if one is not type(None))
        return None if value is None else _converted(value, kind)
    if typing.get_origin(kind) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(_converted(part, typing.get_args(kind)[0]) for part in parts)
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError(value)
        return value
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise TypeError(value)
    if isinstance(value, str):
        value = value.strip()
    elif kind in (str, Path) and not isinstance(value, kind):
        raise TypeError(value)
    return kind(value)


def _expected(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        kind = typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(one.value) for one in kind)}"
    if typing.get_origin(kind) is tuple:
        return "a list of numbers" if typing.get_args(kind)[0] is float else "a list of names"
    names = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path", str: "a text"}
    return names[kind]


def _plain(value: Any) -> Any:
    """As it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(str(one) for one in value)
    return value.value if isinstance(value, Enum) else value


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, Path):
        return _toml(str(value))
    # A TOML string, number and truth value are written as JSON's are.
    return json.dumps(value, ensure_ascii=False)

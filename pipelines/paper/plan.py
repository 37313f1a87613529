"""What the user has and wants to spend: paths, budget and seeds.

They stand in a TOML file such as::

    seeds = [0, 1, 2]                     # of each training; several give mean and spread
    protocol = "paper"                    # of python -m drbnet.evaluate
    vgg19 = "vgg19-dcbb9e9d.pth"          # torchvision's; for fine-tuning
    lpips = "alexnet-owt-7be5be79.pth"    # torchvision's; without it LPIPS is n/a

    [data]
    lfdof = "/data/LFDOF"
    dpdd = "/data/DPDD"
    realdof = "/data/RealDOF"

    [training]                            # options of python -m drbnet.train, for all trainings
    epochs = 200
    finetune_epochs = 100

    [trainings.drbnet-dpdd]               # and for one of them
    epochs = 2000

    [fig1]                                # two datasets; by default LFDOF and DPDD
    first = "/data/LFDOF"
    second = "/data/DPDD"

    [[fig2]]                              # a camera: kernels of psf estimate, as psf compare --focus takes them
    name = "DSLR, f/4"
    front = "psf/front/:g"
    in = "psf/in/:g"
    back = "psf/back/:g"

    [fig4]                                # by default Table 2's DRBNet and the first picture of RealDOF
    weights = "drbnet.pth"
    picture = "photo.png"

Every key may be left out; a table that needs what is not there says so before anything starts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from drbnet.options import Config
from lfsynth.errors import InputError
from pipelines.paper.recipes import Source
from pipelines.paper.tables import all_recipes

PROTOCOLS = ("paper", "8bit", "16bit", "gaussian")
OURS = {
    *("out", "data", "mix", "finetune", "vgg19", "weights", "layout", "finetune_layout", "pairs", "seed"),
    *("model", "kernel_size", "scales", "terms", "vgg", "mix_repeats", "finetune_vgg", "finetune_l1"),
}
"""Options of a training that the tables decide, or the plan elsewhere."""
TINY_TRAINING = {
    "patch": 64,
    "batch": 2,
    "epochs": 2,
    "finetune_epochs": 2,
    "validate_every": 1000,
    "validation_pairs": 1,
    "validation_crop": 64,
    "workers": 0,
}
"""Stage 1 takes 16 steps, stage 2 takes 10, so that a table is done in minutes."""
TINY_TRAININGS = {name: {"epochs": 1} for name in ("drbnet-mixed", "drbnet-mixed-vgg")}
"""An epoch of a mixture is long: its second dataset is repeated."""


@dataclass(frozen=True)
class Camera:
    """Kernels of one camera through focus, each as ``psf compare --focus`` takes it."""

    name: str
    front: str
    sharp: str
    back: str


@dataclass(frozen=True)
class Plan:
    """What is there, and what is to be spent.

    Attributes
    ----------
    file : that it was read from; None: there is none
    tiny : whether this is a smoke run
    data : folders of datasets
    training : options of all trainings
    trainings : more options, by the recipe's name
    seeds : of each training
    protocol : of the scores
    vgg19, lpips : files of weights
    fig1 : folders of two datasets
    fig2 : cameras
    weights, picture : of Fig. 4
    """

    file: Path | None = None
    tiny: bool = False
    data: Mapping[Source, Path] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    trainings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    protocol: str = "paper"
    vgg19: Path | None = None
    lpips: Path | None = None
    fig1: tuple[Path, Path] | None = None
    fig2: tuple[Camera, ...] = ()
    weights: Path | None = None
    picture: Path | None = None

    @property
    def name(self) -> str:
        """Of the file, for errors."""
        return str(self.file or "--config")


def read_plan(file: Path | None, *, tiny: bool) -> Plan:
    """The plan of a file; a smoke run needs none, and has its own budget where the file gives none.

    Raises
    ------
    InputError : where the file cannot be read, or says what cannot be understood
    """
    table = {} if file is None else _toml(file)
    reader = _Reader(str(file), table)
    data = reader.table("data")
    figure, steps = reader.table("fig1"), reader.table("fig4")
    plan = Plan(
        file=file,
        tiny=tiny,
        data={source: path for source in Source if (path := data.path(source.value)) is not None},
        training=(TINY_TRAINING if tiny else {}) | _options(reader.table("training")),
        trainings=(TINY_TRAININGS if tiny else {}) | _trainings(reader.table("trainings")),
        seeds=reader.seeds(),
        protocol=reader.text("protocol", "paper"),
        vgg19=reader.path("vgg19"),
        lpips=reader.path("lpips"),
        fig1=_two(figure),
        fig2=tuple(_camera(one) for one in reader.tables("fig2")),
        weights=steps.path("weights"),
        picture=steps.path("picture"),
    )
    for one in (data, figure, steps):
        one.end()
    reader.end()
    if plan.protocol not in PROTOCOLS:
        raise InputError(
            f"{file}: protocol", f"{plan.protocol!r} is none of {', '.join(PROTOCOLS)}", "name one of them"
        )
    return plan


class _Reader:
    """A table of the file, whose values are asked for one by one; what nobody asked for is unknown."""

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        self.where, self.values, self.asked = where, values, set[str]()

    def get(self, key: str, kind: type, default: Any) -> Any:
        self.asked.add(key)
        value = self.values.get(key, default)
        if key in self.values and not isinstance(value, kind):
            names: dict[Any, str] = {str: "a text", dict: "a table", list: "a list"}
            raise InputError(f"{self.where}: {key}", f"{value!r} is not {names[kind]}", "correct it")
        return value

    def text(self, key: str, default: str = "") -> str:
        return str(self.get(key, str, default))

    def path(self, key: str) -> Path | None:
        text = self.text(key)
        return Path(text) if text else None

    def table(self, key: str) -> _Reader:
        return _Reader(f"{self.where}: {key}", self.get(key, dict, {}))

    def tables(self, key: str) -> list[_Reader]:
        many = self.get(key, list, [])
        if any(not isinstance(one, dict) for one in many):
            raise InputError(f"{self.where}: {key}", "it is no list of tables", f"write [[{key}]]")
        return [_Reader(f"{self.where}: {key}", one) for one in many]

    def seeds(self) -> tuple[int, ...]:
        found = self.get("seeds", list, [0])
        if not found or len(set(found)) < len(found) or any(type(one) is not int or one < 0 for one in found):
            raise InputError(
                f"{self.where}: seeds", f"{found} are no different whole numbers from 0", "correct them"
            )
        return tuple(found)

    def end(self) -> None:
        """Refuse what was not asked for."""
        for key in self.values:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise InputError(self.where, f"there is no {key}", f"choose of {known}")


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(file, f"it cannot be read ({error.strerror})", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(file, f"it is no TOML ({error})", "correct it") from None


def _options(reader: _Reader) -> dict[str, Any]:
    """Options of trainings; their values are checked with each training's."""
    known = {one.name for one in fields(Config)}
    for name in reader.values:
        if name in OURS:
            raise InputError(reader.where, f"{name} is decided by the tables", "leave it out")
        if name not in known:
            raise InputError(
                reader.where, f"there is no option {name}", "see python -m drbnet.train --help; _ is for -"
            )
    return dict(reader.values)


def _trainings(reader: _Reader) -> dict[str, dict[str, Any]]:
    known = all_recipes()
    found = {}
    for name in reader.values:
        if name not in known:
            raise InputError(reader.where, f"there is no training {name}", f"choose of {', '.join(known)}")
        found[name] = _options(reader.table(name))
    return found


def _two(reader: _Reader) -> tuple[Path, Path] | None:
    first, second = reader.path("first"), reader.path("second")
    if (first is None) != (second is None):
        raise InputError(reader.where, "it names one dataset alone", "give first and second")
    return None if first is None or second is None else (first, second)


def _camera(reader: _Reader) -> Camera:
    found = [reader.text(key) for key in ("name", "front", "in", "back")]
    reader.end()
    if not all(found):
        raise InputError(reader.where, "a camera is not complete", "give name, front, in and back")
    return Camera(*found)

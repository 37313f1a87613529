"""What is trained for the paper's tables: a network, on a dataset, perhaps from the weights of another training.

A recipe says what sets one training apart from the others, as options of ``drbnet.train``; what all have in common,
patches, batch and epochs, is in `pipelines.paper.plan`. Recipes are values: two tables that need the same training
name the same recipe, and it is made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

MIX_REPEATS = 32
"""How often DPDD is repeated where it is mixed with LFDOF (Table 5): 32 times 350 pairs are about 11,261."""
MIX_VGG = 1e-5
"""Weight of VGG-19's features beside L1 there."""


class Source(Enum):
    """A dataset of the paper."""

    LFDOF = "lfdof"
    DPDD = "dpdd"
    REALDOF = "realdof"

    @property
    def title(self) -> str:
        """As papers write it."""
        return {"lfdof": "LFDOF", "dpdd": "DPDD", "realdof": "RealDOF"}[self.value]


@dataclass(frozen=True)
class Recipe:
    """A training of one stage.

    Attributes
    ----------
    name : of its folder, and of its table of options in the plan's file
    data : what it is trained on
    network : ``--model`` and the options of the network, by the names of `drbnet.options.Config`
    loss : options of the loss of its stage
    mixed : a dataset that is mixed into the first
    after : the training whose weights it begins with; it then is stage 2
    """

    name: str
    data: Source
    network: tuple[tuple[str, Any], ...]
    loss: tuple[tuple[str, Any], ...] = ()
    mixed: Source | None = None
    after: Recipe | None = None

    @property
    def model(self) -> str:
        """Name of the network."""
        return str(dict(self.network)["model"])

    @property
    def takes_vgg19(self) -> bool:
        """Whether its loss needs VGG-19's weights."""
        return any(dict(self.loss).get(name) for name in ("vgg", "finetune_vgg"))

    def chain(self) -> Iterator[Recipe]:
        """The trainings that come before it, the first one first, and itself."""
        if self.after is not None:
            yield from self.after.chain()
        yield self


def alone(source: Source, model: str = "drbnet", label: str = "", **options: Any) -> Recipe:
    """Stage 1 on one dataset.

    Parameters
    ----------
    model : as ``--model`` has it
    label : what tells an ablation's name from the network's
    options : of the network
    """
    network = (("model", model), *options.items())
    return Recipe("-".join(filter(None, (model, label, source.value))), source, network)


def both(model: str = "drbnet", label: str = "", **options: Any) -> Recipe:
    """Stage 1 on LFDOF, then stage 2 on DPDD with VGG-19's features: the paper's own way."""
    return _finetuned(alone(Source.LFDOF, model, label, **options), "dpdd", vgg=1.0, l1=0.0)


def finetuned_by_l1() -> Recipe:
    """As `both`, DRBNet fine-tuned with L1."""
    return _finetuned(alone(Source.LFDOF), "dpdd-l1", vgg=0.0, l1=1.0)


def mixed(*, vgg: float) -> Recipe:
    """DRBNet in one stage on LFDOF and DPDD together, with L1 and VGG-19's features of this weight."""
    name = "drbnet-mixed-vgg" if vgg else "drbnet-mixed"
    loss = (("vgg", vgg), ("mix_repeats", MIX_REPEATS))
    return Recipe(name, Source.LFDOF, (("model", "drbnet"),), loss, mixed=Source.DPDD)


def without_vgg19(recipe: Recipe) -> Recipe:
    """The same with L1 wherever VGG-19's features are; two recipes can so become one."""
    after = None if recipe.after is None else without_vgg19(recipe.after)
    if not recipe.takes_vgg19:
        return replace(recipe, after=after)
    if recipe.after is None:
        loss = tuple((name, 0.0 if name == "vgg" else value) for name, value in recipe.loss)
        return replace(recipe, name=recipe.name.removesuffix("-vgg"), loss=loss)
    return replace(
        recipe, name=f"{recipe.name}-l1", loss=(("finetune_vgg", 0.0), ("finetune_l1", 1.0)), after=after
    )


def _finetuned(first: Recipe, suffix: str, *, vgg: float, l1: float) -> Recipe:
    loss = (("finetune_vgg", vgg), ("finetune_l1", l1))
    return Recipe(f"{first.name}-{suffix}", Source.DPDD, first.network, loss, after=first)

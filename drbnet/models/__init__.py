"""The networks by name, and what their training must know of them.

A network is a module from views (N, 3, H, W) in [-1, 1] of any size (the combined, the right and the left one where
it is dual) to the deblurred picture of that shape, clipped. ``scales(*views)`` gives its outputs from coarse to fine,
not clipped, of views whose sides are multiples of 8 (or of what the network's `Architecture` says).

What is there to train a network, and is no part of it, is its aid: a module, which may have weights of its own. Called
with (network, views, target, defocus) it gives these outputs, and further terms of the loss: scalars by name, weighted.
Views and target are (N, 3, H, W) in [-1, 1]; ``defocus`` is (N, 1, H, W), see `drbnet.defocus`, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from drbnet.losses import Distance, unit_mse
from drbnet.models import aifnet, dpdnet, drbnet, ifan, kpac
from drbnet.models.aifnet import AIFNet, AIFNetTraining
from drbnet.models.architecture import Architecture
from drbnet.models.dpdnet import DPDNet
from drbnet.models.drbnet import DRBNet
from drbnet.models.ifan import IFAN
from drbnet.models.ifan_training import IFANTraining
from drbnet.models.kpac import KPAC


@dataclass(frozen=True)
class Model:
    """A network that ``--model`` names.

    Attributes
    ----------
    build : makes it; ablations are keyword arguments of it, where it has such
    told : what weights are of, by their names and shapes; None where they are of another network
    distance : of an output and its target, (N, 3, h, w) in [-1, 1]: the loss of stage 1
    aid : makes what it is trained with, see above; None: nothing
    needs_defocus : whether a defocus map of each pair goes to its aid in stage 1
    multiple : px, of which the sides of patches are multiples
    """

    build: Callable[..., nn.Module]
    told: Callable[[Mapping[str, Tensor]], Architecture | None] = lambda weights: None
    distance: Distance = functional.l1_loss
    aid: Callable[[], nn.Module] | None = None
    needs_defocus: bool = False
    multiple: int = 8


MODELS: dict[str, Model] = {
    "drbnet": Model(DRBNet, told=drbnet.told),
    "drbnet-dual": Model(partial(DRBNet, dual=True), told=drbnet.told),
    "dpdnet": Model(DPDNet, told=dpdnet.told, distance=unit_mse),
    "ifan": Model(IFAN, told=ifan.told, distance=unit_mse, aid=IFANTraining),
    "ifan-dual": Model(partial(IFAN, dual=True), told=ifan.told, distance=unit_mse, aid=IFANTraining),
    "aifnet": Model(
        AIFNet,
        told=aifnet.told,
        distance=unit_mse,
        aid=AIFNetTraining,
        needs_defocus=True,
        multiple=aifnet.MULTIPLE,
    ),
    "kpac": Model(KPAC, told=kpac.told),
    "kpac-2": Model(partial(KPAC, levels=2), told=kpac.told),
}


def architecture_of(weights: Mapping[str, Tensor]) -> Architecture:
    """What weights are of, as far as these show it; that all of them fit is for `load_weights` to see.

    Those of no network that is known are taken for DRBNet's.
    """
    found = (model.told(weights) for model in MODELS.values())
    return next((one for one in found if one is not None), drbnet.architecture_of(weights))

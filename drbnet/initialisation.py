"""How a network's weights begin."""

from __future__ import annotations

from torch import nn

from drbnet.choices import Initialisation

SLOPE = 0.1
"""Of DRBNet's LeakyReLU, which Kaiming's gain is for."""


def initialise(network: nn.Module, how: Initialisation) -> None:
    """Draw the weights of all convolutions anew, from torch's generator.

    Notes
    -----
    K. He et al., ICCV 2015, doi:10.1109/ICCV.2015.123; X. Glorot, Y. Bengio, AISTATS 2010; A. M. Saxe et al., ICLR
    2014, arXiv:1312.6120. The paper of DRBNet does not say what it used.
    """
    if how is Initialisation.TORCH:
        return
    for part in network.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            if how is Initialisation.KAIMING:
                nn.init.kaiming_normal_(part.weight, a=SLOPE, nonlinearity="leaky_relu")
            elif how is Initialisation.XAVIER:
                nn.init.xavier_normal_(part.weight)
            else:
                nn.init.orthogonal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

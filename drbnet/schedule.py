"""How the learning rate goes over a stage's epochs."""

from __future__ import annotations


def factor(epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by: 1 for the first half of the epochs, then falling to near 0 on a line.

    Parameters
    ----------
    epoch : counted from 0
    epochs : of the stage

    Notes
    -----
    1 - max(0, epoch + 1 - n) / (m + 1), with n = epochs // 2 epochs at the full rate and m = epochs - n of decline.
    For 200 epochs that is 1 - max(0, epoch + 1 - 100) / 101, the rule of pix2pix [1]_, which the paper cites.

    .. [1] P. Isola et al.: Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017,
       doi:10.1109/CVPR.2017.632, and its authors' code
    """
    if not 0 <= epoch <= epochs:
        raise ValueError(f"epoch {epoch} is not one of {epochs}")
    constant = epochs // 2
    return 1 - max(0, epoch + 1 - constant) / (epochs - constant + 1)

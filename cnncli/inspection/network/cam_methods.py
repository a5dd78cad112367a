"""How class activation maps weigh a layer's feature maps: which places of them speak for a class.

Each method takes the feature maps (D, h, w) and the derivatives of the class's logit with respect to them, and gives a map
(h, w). What is negative in it speaks against the class and is not shown.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cnncli.records.choices import CamMethod

_TINY = 1e-6
"""Keeps the denominator of Grad-CAM++ from being zero."""


def grad_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """The sum of the maps, each weighted by its mean derivative (Selvaraju et al., 2017)."""
    return _weighted_sum(maps, gradients.mean(dim=(1, 2)))


def grad_cam_plus_plus(maps: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM with positive derivatives only, each weighted by equation 19 of Chattopadhay et al. (2018).

    That divides the credit for an object among all places that show it, so that several objects count alike.
    """
    sums = maps.sum(dim=(1, 2), keepdim=True)
    denominator = 2 * gradients**2 + sums * gradients**3 + _TINY
    shares = torch.where(gradients != 0, gradients**2 / denominator, 0.0)
    return _weighted_sum(maps, (gradients.relu() * shares).sum(dim=(1, 2)))


def layer_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """The sum of the maps, each place weighted by its own positive derivative (Jiang et al., 2021)."""
    return (gradients.relu() * maps).sum(dim=0)


def eigen_cam(maps: Tensor, _: Tensor) -> Tensor:
    """The first principal component of the maps, whatever the class (Muhammad and Yeasin, 2020).

    The sign of a principal component is arbitrary; here its largest value is positive.
    """
    places = maps.flatten(1).T
    places = places - places.mean(dim=0)
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    projection: Tensor = (places @ directions[0]).reshape(maps.shape[1:])
    return projection if projection.max() >= -projection.min() else -projection


def _weighted_sum(maps: Tensor, weights: Tensor) -> Tensor:
    return (weights[:, None, None] * maps).sum(dim=0)


METHODS: Mapping[CamMethod, Callable[[Tensor, Tensor], Tensor]] = {
    CamMethod.GRADCAM: grad_cam,
    CamMethod.GRADCAM_PLUS_PLUS: grad_cam_plus_plus,
    CamMethod.EIGENCAM: eigen_cam,
    CamMethod.LAYERCAM: layer_cam,
}
"""The function of each method."""

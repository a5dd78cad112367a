"""Optimisers: timm's, one learning rate for each stage."""

from typing import Any

import torch
from timm.optim._optim_factory import create_optimizer_v2, get_optimizer_class, list_optimizers
from torch import nn

from cnncli.errors import UsageError
from cnncli.training.network.stages import parameter_groups
from cnncli.training.options import TrainingOptions


def create_optimizer(
    network: nn.Module, head: str, levers: TrainingOptions, lr: float
) -> torch.optim.Optimizer:
    """Timm's optimiser of that name, over stages with learning rates of their own.

    Raises:
        UsageError: timm has no such optimiser, or it cannot be used here.
    """
    groups = parameter_groups(network, head, levers.weight_decay, levers.layer_decay)
    if not groups:
        raise UsageError("nothing of the network would learn", "choose another --tune")
    try:
        return create_optimizer_v2(
            groups,
            opt=levers.opt,
            lr=lr,
            weight_decay=levers.weight_decay,
            momentum=levers.momentum,
            **_fused(network, levers.opt),
        )
    except (ValueError, KeyError, TypeError, AssertionError, RuntimeError, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--opt {levers.opt} cannot be used: {reason}", "as adamw, sgd, rmsprop, lion; timm has the list"
        ) from error


def _fused(network: nn.Module, name: str) -> dict[str, Any]:
    """The setting with which an optimiser takes one pass over all weights, many times faster, where torch has such a one."""
    device = next(network.parameters()).device.type
    if name not in list_optimizers() or device not in ("cpu", "cuda"):
        return {}
    kind = get_optimizer_class(name, bind_defaults=False)
    has_it = isinstance(kind, type) and issubclass(kind, torch.optim.Adam | torch.optim.SGD)
    return {"fused": True} if has_it else {}


def require_steps(optimizer: torch.optim.Optimizer, name: str) -> None:
    """See that an optimiser gets along with nothing but gradients: it makes a step with gradients of 0.

    Raises:
        UsageError: it wants more.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.zeros_like(weight)
    try:
        optimizer.step()
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"--opt {name} cannot be used: it needs more than the gradients of a step",
            "as adamw, sgd, rmsprop, lion",
        ) from error

"""timm's optimisers and Keras's RMSprop, with a learning rate for each stage."""

from typing import Any

import torch
from timm.optim._optim_factory import (
    OptimInfo,
    create_optimizer_v2,
    default_registry,
    get_optimizer_class,
    get_optimizer_info,
    list_optimizers,
)
from torch import nn

from cnncli.errors import UsageError
from cnncli.training.network.keras_rmsprop import KerasRMSprop
from cnncli.training.network.stages import parameter_groups
from cnncli.training.options import TrainingOptions

default_registry.register(
    OptimInfo("rmspropkeras", KerasRMSprop, "RMSprop as in Keras", has_eps=True, has_momentum=True)
)


def create_optimizer(
    network: nn.Module, head: str, options: TrainingOptions, lr: float
) -> torch.optim.Optimizer:
    """The optimiser `options.opt` over the trainable parameters of a network.

    Raises:
        UsageError: timm has no such optimiser, or it cannot be used here.
    """
    groups = parameter_groups(network, head, options.weight_decay, options.layer_decay)
    if not groups:
        raise UsageError("no parameter of the network would be trained", "choose another --tune")
    try:
        return create_optimizer_v2(
            groups,
            opt=options.opt,
            lr=lr,
            weight_decay=options.weight_decay,
            momentum=options.momentum,
            **_plain_descent_setting(options),
            **_fused_setting(network, options.opt),
        )
    except (ValueError, KeyError, TypeError, AssertionError, RuntimeError, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--opt {options.opt} cannot be used: {reason}",
            "try adamw, sgd, rmsprop or lion; timm's list_optimizers() has all names",
        ) from error


def _plain_descent_setting(options: TrainingOptions) -> dict[str, Any]:
    """`nesterov=False` without momentum: timm's SGD uses Nesterov momentum by default, and torch refuses it with 0."""
    if options.momentum or options.opt not in list_optimizers():
        return {}
    has_nesterov = "nesterov" in (get_optimizer_info(options.opt).defaults or {})
    return {"nesterov": False} if has_nesterov else {}


def _fused_setting(network: nn.Module, name: str) -> dict[str, Any]:
    """`fused=True` where torch has an implementation in one pass over all weights, which is many times faster."""
    device = next(network.parameters()).device.type
    if name not in list_optimizers() or device not in ("cpu", "cuda"):
        return {}
    kind = get_optimizer_class(name, bind_defaults=False)
    has_fused = isinstance(kind, type) and issubclass(kind, torch.optim.Adam | torch.optim.SGD)
    return {"fused": True} if has_fused else {}


def require_plain_gradients(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Check that an optimiser needs nothing but gradients, by taking a step with gradients of 0.

    Raises:
        UsageError: it needs more.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.zeros_like(weight)
    try:
        optimizer.step()
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"--opt {name} cannot be used: it needs more than the gradients of a step",
            "try adamw, sgd, rmsprop or lion",
        ) from error

"""Keras's RMSprop, which is neither torch's nor timm's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop as in Keras: v = rho v + (1 - rho) g^2, starting at 0, and w = w - lr g / sqrt(v + epsilon).

    torch adds epsilon outside the square root, and timm's `rmsproptf` starts at v = 1, both of which make other steps. Weight
    decay is decoupled, as in Keras. Source: keras/src/optimizers/rmsprop.py.
    """

    def __init__(
        self,
        params: Any,  # noqa: ANN401 - parameters or groups of them, as torch takes them
        lr: float = 1e-3,
        rho: float = 0.9,
        momentum: float = 0.0,
        eps: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        """An optimiser whose averages are 0.

        Args:
            params: parameters, or groups of them with options of their own.
            lr: learning rate.
            rho: decay of the average of squared gradients.
            momentum: decay of the sum of steps; 0 for none.
            eps: epsilon.
            weight_decay: share of the weights that is subtracted in a step, as a multiple of `lr`.
        """
        options = {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all weights once; `closure` computes loss and gradients first if it is given."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["velocity"] = torch.zeros_like(weight)
            if group["momentum"]:
                state["momentum"] = torch.zeros_like(weight)
        velocity: Tensor = state["velocity"]
        if group["weight_decay"]:
            weight.mul_(1 - group["lr"] * group["weight_decay"])
        velocity.mul_(group["rho"]).addcmul_(gradient, gradient, value=1 - group["rho"])
        root = (velocity + group["eps"]).sqrt_()
        if group["momentum"]:
            momentum: Tensor = state["momentum"]
            weight.sub_(momentum.mul_(group["momentum"]).addcdiv_(gradient, root, value=group["lr"]))
        else:
            weight.addcdiv_(gradient, root, value=-group["lr"])

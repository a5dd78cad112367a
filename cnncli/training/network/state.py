"""The network during training: on its device, with its optimiser and its moving average."""

from typing import Any

import torch
from accelerate import Accelerator
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from cnncli.records.training import Layout
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.objective import NetworkOutput
from cnncli.training.network.optimizers import create_optimizer
from cnncli.training.network.setup import TrainingSetup


class TrainingState:
    """A network restored from a checkpoint, prepared for the device and the processes that train it.

    Attributes:
        accelerator: device and processes.
        network: the module itself.
    """

    def __init__(self, setup: TrainingSetup, checkpoint: Checkpoint, accelerator: Accelerator) -> None:
        """Restore everything that the checkpoint holds.

        Args:
            setup: the setup, its network on the CPU.
            checkpoint: the weights, and the states of optimiser, moving average and loss scaling.
            accelerator: device and processes.
        """
        network = setup.network
        network.load_state_dict(checkpoint.network)
        if checkpoint.constants.layout is Layout.CHANNELS_LAST:
            network.to(memory_format=torch.channels_last)
        network.to(accelerator.device)
        self.accelerator, self.network = accelerator, network
        self._average = None
        if setup.options.model_ema_decay:
            self._average = ModelEmaV3(network, decay=setup.options.model_ema_decay, use_warmup=True)
            if checkpoint.average is not None:
                self._average.module.load_state_dict(checkpoint.average)
        optimizer = create_optimizer(network, setup.head, setup.options, checkpoint.constants.peak_lr)
        self._model, self._optimizer = accelerator.prepare(network, optimizer)
        if checkpoint.optimizer:
            self._optimizer.load_state_dict(checkpoint.optimizer)
        if checkpoint.scaler is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(checkpoint.scaler)
        self._forward = torch.compile(self._model) if setup.options.compile else self._model
        self._clip_grad = setup.options.clip_grad

    def forward(self, images: Tensor) -> NetworkOutput:
        """The network's outputs for images (N, C, H, W), in the precision of training."""
        outputs: NetworkOutput = self._forward(images)
        return outputs

    @property
    def averaged_network(self) -> nn.Module:
        """The moving average, which is validated and saved; the network itself without one."""
        if self._average is None:
            return self.network
        module: nn.Module = self._average.module
        return module

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the last layer; lower stages get their share of it."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        self.accelerator.backward(loss)

    def delay_synchronization(self) -> Any:  # noqa: ANN401 - accelerate's context manager
        """A context in which gradients stay in this process, for all micro-batches but the last."""
        return self.accelerator.no_sync(self._model)

    def update(self, number: int) -> None:
        """Take an optimiser step with the gradients, and update the moving average.

        Args:
            number: number of the update since the start of the run, from 1.
        """
        if self._clip_grad:
            self.accelerator.clip_grad_norm_(self._model.parameters(), self._clip_grad)
        self._optimizer.step()
        self.zero_grad()
        if self._average is not None:
            self._average.update(self.network, step=number)

    def zero_grad(self) -> None:
        """Delete the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def store(self, checkpoint: Checkpoint) -> None:
        """Store weights and states in a checkpoint."""
        scaler = self.accelerator.scaler
        checkpoint.network = self.network.state_dict()
        checkpoint.optimizer = self._optimizer.state_dict()
        checkpoint.average = self._average.module.state_dict() if self._average is not None else None
        checkpoint.scaler = scaler.state_dict() if scaler is not None else None

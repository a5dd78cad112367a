"""The floor of training: forward, backward and step over batches in memory, as in torch's own tutorials."""

import time

import timm
import torch
from torch.nn import functional


class BareTraining:
    """One of timm's networks, and random batches for it."""

    def __init__(
        self, name: str, size: int, batch_size: int, images: int, classes: int, layout: str, amp: str
    ) -> None:
        """Build the network and the batches of one epoch.

        Args:
            name: timm's name of the network.
            size: height and width of the images in pixels.
            batch_size: the most images in a batch.
            images: per epoch.
            classes: number of classes.
            layout: `channels-last` or another memory layout.
            amp: autocast precision: `off` or `bf16`.
        """
        self.network = timm.create_model(name, num_classes=classes).train()
        self.amp, self.steps = amp, -(-images // batch_size)
        sizes = [images // self.steps + (number < images % self.steps) for number in range(self.steps)]
        self.batches = [
            (torch.randn(count, 3, size, size), torch.randint(0, classes, (count,))) for count in sizes[:4]
        ]
        if layout == "channels-last":
            self.network = self.network.to(memory_format=torch.channels_last)
            self.batches = [
                (pixels.to(memory_format=torch.channels_last), labels) for pixels, labels in self.batches
            ]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4)

    def run_epoch(self) -> float:
        """Train for one epoch; returns its seconds."""
        start = time.perf_counter()
        for number in range(self.steps):
            pixels, labels = self.batches[number % len(self.batches)]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.amp == "bf16"):
                loss = functional.cross_entropy(self.network(pixels), labels, label_smoothing=0.1)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            loss.item()
        return time.perf_counter() - start

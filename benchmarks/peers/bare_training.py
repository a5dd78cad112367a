"""Forward, backward and step over batches that lie ready: the floor of training, as torch's own tutorials write it."""

import time

import timm
import torch
from torch.nn import functional


class Bare:
    """A network of timm and random images for it."""

    def __init__(
        self, name: str, size: int, batch: int, images: int, classes: int, layout: str, amp: str
    ) -> None:
        """In that layout and arithmetic (`off` or `bf16`), so many images an epoch."""
        self.network = timm.create_model(name, num_classes=classes).train()
        self.amp, self.steps = amp, -(-images // batch)
        sizes = [images // self.steps + (number < images % self.steps) for number in range(self.steps)]
        self.ready = [
            (torch.randn(count, 3, size, size), torch.randint(0, classes, (count,))) for count in sizes[:4]
        ]
        if layout == "channels-last":
            self.network = self.network.to(memory_format=torch.channels_last)
            self.ready = [
                (pixels.to(memory_format=torch.channels_last), labels) for pixels, labels in self.ready
            ]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4)

    def epoch(self) -> float:
        """Seconds that one takes."""
        start = time.perf_counter()
        for number in range(self.steps):
            pixels, labels = self.ready[number % len(self.ready)]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.amp == "bf16"):
                loss = functional.cross_entropy(self.network(pixels), labels, label_smoothing=0.1)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            loss.item()
        return time.perf_counter() - start

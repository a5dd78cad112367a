"""A plain training loop with timm: its transforms, a DataLoader, eager, NCHW. `timm_training NAME SIZE BATCH_SIZE DATA`.

Prints seconds of the faster of two epochs.
"""

import sys
import time
from pathlib import Path

import timm
import torch
from timm.data import create_transform
from torch.nn import functional
from torchvision.datasets import ImageFolder

name, data = sys.argv[1], sys.argv[4]
size, batch = map(int, sys.argv[2:4])
images = ImageFolder(str(Path(data) / "train"), create_transform(size, is_training=True))
loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=2, drop_last=True)
network = timm.create_model(name, num_classes=len(images.classes)).train()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
epochs = []
for _ in range(2):
    start = time.perf_counter()
    seen = 0
    for pixels, labels in loader:
        loss = functional.cross_entropy(network(pixels), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += len(labels)
        loss.item()
    epochs.append((time.perf_counter() - start) * len(images) / seen)
print(min(epochs))

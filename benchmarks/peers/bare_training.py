"""Forward, backward and step over batches that lie ready: the floor. `bare_training NAME SIZE BATCH IMAGES CLASSES LAYOUT AMP`."""

import sys
import time

import timm
import torch
from torch.nn import functional

name, layout, amp = sys.argv[1], sys.argv[6], sys.argv[7]
size, batch, images, classes = map(int, sys.argv[2:6])
torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
network = timm.create_model(name, num_classes=classes).train()
steps = -(-images // batch)
sizes = [images // steps + (number < images % steps) for number in range(steps)]
ready = [(torch.randn(count, 3, size, size), torch.randint(0, classes, (count,))) for count in sizes[:4]]
if layout == "channels-last":
    network = network.to(memory_format=torch.channels_last)
    ready = [(pixels.to(memory_format=torch.channels_last), labels) for pixels, labels in ready]
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
epochs = []
for _ in range(3):
    start = time.perf_counter()
    for number in range(steps):
        pixels, labels = ready[number % len(ready)]
        with torch.autocast("cpu", torch.bfloat16, enabled=amp == "bf16"):
            loss = functional.cross_entropy(network(pixels), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
    epochs.append(time.perf_counter() - start)
print(min(epochs[1:]))

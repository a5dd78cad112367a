"""timm's dataset and loader without a network. Prints seconds for all images of a folder. `timm_loader FOLDER`."""

import os
import sys
import time

import torch
from timm.data import create_dataset, create_loader

if __name__ == "__main__":
    loader = create_loader(
        create_dataset("", sys.argv[1]),
        input_size=(3, 224, 224),
        batch_size=8,
        use_prefetcher=False,
        num_workers=len(os.sched_getaffinity(0)),
        interpolation="bicubic",
        crop_pct=0.875,
        device=torch.device("cpu"),
    )
    start = time.perf_counter()
    for _ in loader:
        pass
    print(time.perf_counter() - start)

"""timm's dataset, loader and eager network, as in its `inference.py`. `timm_folder NAME WEIGHTS FOLDER`."""

import os
import sys

import timm
import torch
from timm.data import create_dataset, create_loader, resolve_data_config

if __name__ == "__main__":
    name, weights, folder = sys.argv[1:]
    network = timm.create_model(name, checkpoint_path=weights).eval()
    config = resolve_data_config({}, model=network)
    dataset = create_dataset("", folder)
    loader = create_loader(
        dataset,
        batch_size=32,
        use_prefetcher=False,
        num_workers=len(os.sched_getaffinity(0)),
        device=torch.device("cpu"),
        **config,
    )
    classes: list[int] = []
    with torch.inference_mode():
        for images, _ in loader:
            classes += network(images).argmax(1).tolist()
    for _, index in sorted(zip(dataset.filenames(basename=True), classes, strict=True)):
        print(index)

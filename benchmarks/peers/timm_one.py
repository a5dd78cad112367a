"""timm as in its quick start: import, create, load weights, predict. `timm_one NAME WEIGHTS IMAGE...`."""

import sys

import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

name, weights, *images = sys.argv[1:]
network = timm.create_model(name, checkpoint_path=weights).eval()
transform = create_transform(**resolve_data_config({}, model=network))
with torch.inference_mode():
    for path in images:
        print(network(transform(Image.open(path).convert("RGB"))[None]).argmax().item())

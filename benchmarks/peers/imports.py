"""The floor of preparing a network: import torch, torchvision and timm."""

import timm
import torch
import torchvision

print(torch.__version__, torchvision.__version__, timm.__version__)

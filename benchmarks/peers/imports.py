"""What preparing a network cannot do without: importing torch, torchvision and timm."""

import timm
import torch
import torchvision

print(torch.__version__, torchvision.__version__, timm.__version__)

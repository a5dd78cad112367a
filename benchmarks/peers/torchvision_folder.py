"""torchvision's eager network behind a DataLoader. `torchvision_folder NAME WEIGHTS FOLDER RESIZE INTERPOLATION`."""

import os
import sys
from pathlib import Path

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Folder(Dataset[torch.Tensor]):
    """The images of a folder in the order of their names."""

    def __init__(self, folder: str, resize: int, interpolation: str) -> None:
        self._files = sorted(Path(folder).iterdir())
        self._transform = transforms.Compose(
            [
                transforms.Resize(resize, transforms.InterpolationMode(interpolation)),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> torch.Tensor:
        tensor: torch.Tensor = self._transform(Image.open(self._files[index]).convert("RGB"))
        return tensor


if __name__ == "__main__":
    name, weights, folder, resize, interpolation = sys.argv[1:]
    network = torchvision.models.get_model(name, weights=None)
    network.load_state_dict(load_file(weights))
    network.eval()
    workers = len(os.sched_getaffinity(0))
    dataset = Folder(folder, int(resize), interpolation)
    with torch.inference_mode():
        for images in DataLoader(dataset, batch_size=32, num_workers=workers):
            print(*network(images).argmax(1).tolist(), sep="\n")

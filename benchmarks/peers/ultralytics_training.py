"""Ultralytics classify with torchvision's ResNet-18, random weights: `ultralytics_training DATA EPOCHS`; DATA has train/ and val/.

DATA is reached through a link in a temporary folder, since Ultralytics writes a cache beside the classes' folders.
"""

import os
import sys
import tempfile
from pathlib import Path

import ultralytics
from ultralytics.cfg import entrypoint

_BLUEPRINT = "cfg/models/11/yolo11-cls-resnet18.yaml"
"""Ultralytics' own description of a classifier on ResNet-18, here without the weights that it would download."""

data, epochs = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    blueprint = Path(folder) / "resnet18-cls.yaml"
    blueprint.write_text(
        (Path(ultralytics.__file__).parent / _BLUEPRINT)
        .read_text(encoding="utf-8")
        .replace("DEFAULT", "null"),
        encoding="utf-8",
    )
    images = Path(folder) / "data"
    images.mkdir()
    for split in ("train", "val"):
        (images / split).symlink_to(Path(data).resolve() / split, target_is_directory=True)
    os.chdir(folder)
    entrypoint(
        f"classify train model={blueprint} pretrained=False data={images} epochs={epochs} imgsz=224 batch=32 workers=2 "
        f"device=cpu project={folder} name=run"
    )

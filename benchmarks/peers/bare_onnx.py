"""The floor of a prediction: ONNX Runtime, Pillow and NumPy alone; decode, resize, run. `bare_onnx GRAPH IMAGE...`."""

import sys

import numpy as np
import onnxruntime
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
SIDE, SHORTER = 224, 256

graph, *images = sys.argv[1:]
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
for path in images:
    image = Image.open(path).convert("RGB")
    scale = SHORTER / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    batch = ((pixels - MEAN) / STD).transpose(2, 0, 1)[np.newaxis]
    (logits,) = session.run(["logits"], {"images": batch})
    print(logits.argmax())

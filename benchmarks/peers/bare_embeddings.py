"""The floor of a classifier on features: read every image, run the engine, import SciPy's optimiser and onnx.

`bare_embeddings DATA MODEL_FOLDER`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from cnncli.images.loader import ImageReader
from cnncli.images.local_file import LocalFile
from cnncli.networks.model_folder import open_folder

data, model = map(Path, sys.argv[1:])
folder = open_folder(model)
read = ImageReader(folder.card.preprocessing, 10**9)
session = onnxruntime.InferenceSession(folder.path / "model.onnx", providers=["CPUExecutionProvider"])
paths = sorted(data.rglob("*.jpg"))
with ThreadPoolExecutor(2) as pool:
    pixels = pool.map(read, [LocalFile(str(path)) for path in paths])
    batch = []
    for count, image in enumerate(pixels, start=1):
        batch.append(image)
        if len(batch) == 8 or count == len(paths):
            session.run(["embedding"], {"images": np.stack(batch)})
            batch = []

import onnx  # noqa: E402, F401
import scipy.optimize  # noqa: E402, F401

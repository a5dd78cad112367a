"""The Hugging Face pipeline. `pipeline NETWORK_FOLDER IMAGE_OR_FOLDER`."""

import os
import sys
from pathlib import Path

from transformers import pipeline

if __name__ == "__main__":
    network, images = sys.argv[1:]
    path = Path(images)
    classify = pipeline("image-classification", model=network, top_k=1)
    if path.is_dir():
        files = [str(file) for file in sorted(path.iterdir())]
        workers = len(os.sched_getaffinity(0))
        predictions = classify(files, batch_size=32, num_workers=workers)
    else:
        predictions = [classify(str(path))]
    for (best,) in predictions:
        print(best["label"])

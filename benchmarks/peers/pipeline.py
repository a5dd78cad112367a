"""The Hugging Face pipeline. `pipeline FOLDER_OF_NETWORK IMAGE_OR_FOLDER`."""

import os
import sys
from pathlib import Path

from transformers import pipeline

if __name__ == "__main__":
    network, asked = sys.argv[1:]
    path = Path(asked)
    classify = pipeline("image-classification", model=network, top_k=1)
    if path.is_dir():
        images = [str(file) for file in sorted(path.iterdir())]
        workers = len(os.sched_getaffinity(0))
        answers = classify(images, batch_size=32, num_workers=workers)
    else:
        answers = [classify(str(path))]
    for (best,) in answers:
        print(best["label"])

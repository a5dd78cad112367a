"""cnncli's loader without a network. Prints seconds for all images of a folder. `cnncli_loader MODEL_FOLDER FOLDER`."""

import sys
import time
from pathlib import Path

from cnncli.engines.cores import usable_cores
from cnncli.images.loader import ImageReader, batches
from cnncli.images.sources import sources
from cnncli.networks.model_folder import open_folder
from cnncli.records.defaults import MAX_PIXELS

model, folder = sys.argv[1:]
read = ImageReader(open_folder(Path(model)).card.preprocessing, MAX_PIXELS)
start = time.perf_counter()
for _ in batches(sources([folder]), read, batch_size=8, workers=usable_cores()):
    pass
print(time.perf_counter() - start)

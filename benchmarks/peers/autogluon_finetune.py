"""AutoGluon MultiModal as in its quick start: `autogluon_finetune DATA`; DATA has train/ and val/. Prints validation accuracy.

The network is timm's EfficientNet-Lite0, whose weights timm finds in a Hub cache (HF_HOME, HF_HUB_OFFLINE).
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor


def list_images(folder: Path) -> pd.DataFrame:
    rows = [(str(file), file.parent.name) for file in sorted(folder.glob("*/*"))]
    return pd.DataFrame(rows, columns=["image", "label"])


data = Path(sys.argv[1]).resolve()
with tempfile.TemporaryDirectory() as folder:
    predictor = MultiModalPredictor(label="label", path=folder, verbosity=0)
    predictor.fit(
        list_images(data / "train"),
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": "tf_efficientnet_lite0.in1k",
        },
    )
    scores = predictor.evaluate(list_images(data / "val"), metrics=["accuracy"])
    print(json.dumps({"accuracy": scores["accuracy"]}))

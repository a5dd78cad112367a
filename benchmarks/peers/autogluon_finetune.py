"""AutoGluon MultiModal as its quick start shows it: `autogluon_finetune DATA`; DATA has train/ and val/. Prints accuracy on val.

The network is timm's EfficientNet-Lite0, whose weights timm finds in a hub cache (HF_HOME, HF_HUB_OFFLINE).
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor


def listed(folder: Path) -> pd.DataFrame:
    rows = [(str(file), file.parent.name) for file in sorted(folder.glob("*/*"))]
    return pd.DataFrame(rows, columns=["image", "label"])


data = Path(sys.argv[1]).resolve()
with tempfile.TemporaryDirectory() as place:
    predictor = MultiModalPredictor(label="label", path=place, verbosity=0)
    predictor.fit(
        listed(data / "train"),
        hyperparameters={
            "model.names": ["timm_image"],
            "model.timm_image.checkpoint_name": "tf_efficientnet_lite0.in1k",
        },
    )
    print(
        json.dumps({"accuracy": predictor.evaluate(listed(data / "val"), metrics=["accuracy"])["accuracy"]})
    )

"""fastai as in its quick start: `fastai_finetune DATA EPOCHS`; DATA has train/ and val/. Prints validation accuracy.

The network is timm's EfficientNet-Lite0, whose weights timm finds in a Hub cache (HF_HOME, HF_HUB_OFFLINE).
"""

import json
import sys

from fastai.vision.all import ImageDataLoaders, Resize, accuracy, vision_learner

data, epochs = sys.argv[1:]
loaders = ImageDataLoaders.from_folder(data, train="train", valid="val", item_tfms=Resize(224))
learner = vision_learner(loaders, "tf_efficientnet_lite0", metrics=accuracy)
with learner.no_logging():
    learner.fine_tune(int(epochs))
print(json.dumps({"accuracy": float(learner.validate()[1])}))

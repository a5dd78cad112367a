"""Transfer learning as it is usually written: torchvision's SqueezeNet, scikit-learn's logistic regression.

`torch_features DATA WEIGHTS`. Prints validation accuracy.
"""

import sys

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchvision.datasets import ImageFolder
from torchvision.models import SqueezeNet1_0_Weights, squeezenet1_0

data, weights = sys.argv[1:]
network = squeezenet1_0().eval()
network.load_state_dict(load_file(weights))
transform = SqueezeNet1_0_Weights.DEFAULT.transforms()


def features(split: str) -> tuple[np.ndarray, np.ndarray]:
    images = ImageFolder(f"{data}/{split}", transform)
    vectors, labels = [], []
    with torch.inference_mode():
        for batch, classes in torch.utils.data.DataLoader(images, batch_size=32, num_workers=2):
            vectors.append(network.features(batch).mean((2, 3)).numpy())
            labels.append(classes.numpy())
    return np.concatenate(vectors), np.concatenate(labels)


train, train_labels = features("train")
val, val_labels = features("val")
search = GridSearchCV(
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1, 1.0]},
    cv=StratifiedKFold(5, shuffle=True, random_state=0),
)
search.fit(train, train_labels)
print(f"{search.score(val, val_labels):.4f}")

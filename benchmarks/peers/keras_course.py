"""Keras's example for CIFAR-10, as courses print it: `keras_course LIST EPOCHS SEED`; LIST is a CSV with path, label, split.

The images of train and val are in the order of the list, so that `validation_split` holds out those of val. Prints what the
script prints, then one line of JSON.
"""

import csv
import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from PIL import Image

listing, epochs, seed = sys.argv[1:]
with open(listing, newline="") as stream:
    rows = list(csv.DictReader(stream))
classes = sorted({row["label"] for row in rows})


def load(splits):
    chosen = [row for split in splits for row in rows if row["split"] == split]
    images = np.stack([np.asarray(Image.open(row["path"]).convert("RGB")) for row in chosen])
    labels = [classes.index(row["label"]) for row in chosen]
    return images.astype("float32") / 255, keras.utils.to_categorical(labels, len(classes))


keras.utils.set_random_seed(int(seed))
x_train, y_train = load(["train", "val"])
x_test, y_test = load(["test"])

model = keras.Sequential()
model.add(keras.Input((32, 32, 3)))
model.add(Conv2D(32, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(512, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(len(classes), activation="softmax"))
model.compile(
    loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(0.001), metrics=["accuracy"]
)
model.fit(x_train, y_train, batch_size=128, epochs=int(epochs), verbose=0, validation_split=0.2)
score = model.evaluate(x_test, y_test, verbose=0)
print("Test score:", score[0])
print("Test accuracy:", score[1])

val = len(x_train) - int(len(x_train) * 0.8)
print(
    json.dumps(
        {
            "loss": score[0],
            "accuracy": score[1],
            "parameters": model.count_params(),
            "steps": int(model.optimizer.iterations),
            "images": [len(x_train) - val, val, len(x_test)],
        }
    )
)

"""Which split a folder, or an entry of a list, is for: by its name."""

import re

from cnncli.records.data import Split

_SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "test": Split.TEST,
    "testing": Split.TEST,
    "evaluation": Split.TEST,
}

_NAME = re.compile(f"(?:seg)?({'|'.join(_SPLITS)})(?:set|data|dataset|images|imgs)?")
"""A split's name within that of a folder: `seg_train` (Intel's image classification), `test_set`, `Training Images`."""

PURPOSES = {Split.TRAIN: "training", Split.VAL: "validation", Split.TEST: "testing"}


def split_of_name(name: str) -> Split | None:
    """The split of that name, ignoring case and separators of words; None if it is no split's name."""
    match = _NAME.fullmatch(re.sub(r"[\s_.-]+", "", name.lower()))
    return _SPLITS[match[1]] if match else None

"""Which process of a distributed training run this is, as numbered by torchrun; without torch."""

import os


def is_main() -> bool:
    """Whether this process writes files and messages; true without torchrun."""
    return os.environ.get("RANK", "0") == "0"

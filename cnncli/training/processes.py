"""Several processes that train as one, as torchrun starts them."""

import os


def is_main() -> bool:
    """Whether this process is the one that writes and speaks; torchrun numbers those that it starts."""
    return os.environ.get("RANK", "0") == "0"

"""Which process of a distributed training run this is, as numbered by torchrun; without torch."""

import os


def is_main() -> bool:
    """Whether this process writes files and messages; true without torchrun."""
    return os.environ.get("RANK", "0") == "0"


def may_restart() -> bool:
    """Whether torchrun starts the processes again if one of them dies (`--max-restarts`)."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def restart_may_fail() -> bool:
    """Whether torchrun keeps addresses of dead processes, which those it starts again may then try to reach."""
    return may_restart() and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"

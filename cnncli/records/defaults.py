"""Which model is used where none is named. Loads nothing: every `--help` shows it."""

DEFAULT = "tf_efficientnet_lite0"
"""`networks.packaged` has its weights."""


def or_default(model: str | None) -> str:
    """The name of a model; the default model's where none is given."""
    return DEFAULT if model is None else model

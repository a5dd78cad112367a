"""Names that stand for a network wherever cnncli is started: they win over a folder of the same name."""

from cnncli.networks import blueprint, cache, index, pocket
from cnncli.networks.reference import Reference
from cnncli.records.progress import Progress


def is_known(name: str) -> bool:
    """Whether this is the built-in model, a blueprint, a network of timm or torchvision, or a prepared network."""
    return (
        name == pocket.NAME
        or name in blueprint.names()
        or index.is_known(name)
        or cache.find_named(name) is not None
    )


def warn_hidden_folder(reference: Reference, progress: Progress) -> None:
    """Say so where a known network's name is also that of a model folder in the current directory."""
    if reference.hides_folder:
        name = reference.name
        progress.warning(
            f"{name} is the network of that name, not the folder {name}; -m ./{name} is the folder"
        )

"""Writes the index of networks: every network of timm, torchvision and our blueprints, with parameters and multiply-adds.

    python -m cnncli.networks.zoo.indexing

Run it after a new release of timm or torchvision; a test fails when that is due. Networks are built on the meta device,
without weights or downloads. Takes six minutes on two cores.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnncli.dataclass import frozen_dataclass
from cnncli.networks import blueprint, index, pocket, zoo
from cnncli.networks.zoo import torchvision
from cnncli.networks.zoo.offer import Offer
from cnncli.records.listing import IndexEntry
from cnncli.records.networks import Architecture, PackageVersion


@frozen_dataclass
class Job:
    """A network to count; several sets of weights may share one."""

    architecture: Architecture
    image_size: tuple[int, int]


@frozen_dataclass
class Counts:
    """Parameters, and multiply-adds for one image; None where the forward pass cannot be traced."""

    parameters: int
    multiply_adds: int | None


def names() -> list[str]:
    """The names of all sets of weights, and of architectures without any."""
    published = timm.list_pretrained()
    architectures = {name.partition(".")[0] for name in published}
    bare = [name for name in timm.list_models() if name not in architectures]
    return [*published, *bare, *torchvision.names(), *blueprint.names(), pocket.NAME]


def job(offer: Offer) -> Job:
    """The network to count for an offer."""
    return Job(offer.architecture, offer.preprocessing.size)


def count(job: Job) -> Counts:
    """Build a network on the meta device and count the operations for one image.

    torch's `FlopCounterMode` counts a multiply-add as two.
    """
    torch.set_num_threads(1)
    architecture = job.architecture
    device = torch.device("meta")
    try:
        with device:
            network = zoo.build(architecture)
    except (RuntimeError, NotImplementedError):  # its constructor reads the values of weights
        device = torch.device("cpu")
        network = zoo.build(architecture)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    network.requires_grad_(
        requires_grad=False
    )  # the counter stumbles over parameters that are passed as inputs
    images = torch.zeros(1, architecture.channels, *job.image_size, device=device)
    return Counts(parameters, _multiply_adds(network, images))


def _multiply_adds(network: nn.Module, images: torch.Tensor) -> int | None:
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            network(images)
    except (RuntimeError, NotImplementedError, ValueError) as error:
        print(f"{type(network).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)  # noqa: T201
        return None
    total: int = counter.get_total_flops()
    return total // 2


def entries() -> Iterator[IndexEntry]:
    """All entries of the index."""
    offers = {name: zoo.offer(name) for name in names()}
    jobs = list({job(offer): None for offer in offers.values()})
    with ProcessPoolExecutor() as pool:
        counts = dict(zip(jobs, pool.map(count, jobs, chunksize=4), strict=True))
    for name, offer in offers.items():
        yield entry(name, offer, counts[job(offer)])


def entry(name: str, offer: Offer, counts: Counts) -> IndexEntry:
    """One entry of the index."""
    return IndexEntry(
        name=name,
        library=offer.architecture.library,
        num_classes=offer.architecture.num_classes if offer.has_classes else 0,
        parameters=counts.parameters,
        multiply_adds=counts.multiply_adds,
        image_size=offer.preprocessing.size,
        top1=offer.top1,
        top5=offer.top5,
        published=offer.published.location if offer.published else None,
    )


def versions() -> tuple[PackageVersion, ...]:
    """The versions of the libraries whose networks are listed."""
    return tuple(
        PackageVersion(package, index.installed_version(package) or "") for package in ("timm", "torchvision")
    )


if __name__ == "__main__":
    index.write(index.Index(versions(), tuple(entries())))

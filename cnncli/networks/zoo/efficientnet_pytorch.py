"""State dicts of the package EfficientNet-PyTorch (b0 to b8, lite0 to lite4) under the names that timm's networks use.

Both follow Google's TensorFlow checkpoints, so tensors differ in their names only: EfficientNet-PyTorch numbers all blocks
consecutively (`_blocks.5._bn1.weight`), timm by stage and block (`blocks.2.1.bn2.weight`).
"""

import re

from torch import Tensor, nn

_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SQUEEZE_EXCITE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_DEPTHWISE_SEPARABLE = _SQUEEZE_EXCITE | {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
"""Layers of blocks without expansion, which are those of the first stage."""
_INVERTED_RESIDUAL = _SQUEEZE_EXCITE | {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_BLOCK_TENSOR = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


def is_efficientnet_pytorch(tensors: dict[str, Tensor]) -> bool:
    """Whether a state dict has the tensor names of that package."""
    return "_conv_stem.weight" in tensors and "_blocks.0._depthwise_conv.weight" in tensors


def rename(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The same tensors under timm's names; other names are unchanged.

    Args:
        tensors: of EfficientNet-PyTorch.
        network: timm's, which gives the number of blocks in each stage.
    """
    stages = network.get_submodule("blocks").children()
    positions = [(s, b) for s, stage in enumerate(stages) for b, _ in enumerate(stage.children())]
    return {_rename(name, tensors, positions): value for name, value in tensors.items()}


def _rename(name: str, tensors: dict[str, Tensor], positions: list[tuple[int, int]]) -> str:
    if match := _BLOCK_TENSOR.fullmatch(name):
        number, layer, tensor = int(match[1]), match[2], match[3]
        expands = f"_blocks.{number}._expand_conv.weight" in tensors
        layers = _INVERTED_RESIDUAL if expands else _DEPTHWISE_SEPARABLE
        if layer in layers and number < len(positions):
            stage, block = positions[number]
            return f"blocks.{stage}.{block}.{layers[layer]}.{tensor}"
        return name
    layer, _, tensor = name.partition(".")
    return f"{_OUTSIDE_BLOCKS[layer]}.{tensor}" if layer in _OUTSIDE_BLOCKS else name

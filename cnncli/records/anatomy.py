"""What a network is made of, layer by layer, and what that costs."""

from dataclasses import dataclass

Shape = tuple[int, ...]
"""(N, C, H, W) of an image batch, or whatever axes a tensor has."""

Sides = tuple[int, ...]
"""One value for each axis of the image: (height, width)."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a layer slides over its input, one value an axis.

    Attributes:
        size: of what it slides over, in pixels; more than the layer's input where the layer pads that by itself.
        kernel, stride, padding, dilation: in pixels; padding on each side.
        groups: into which the channels are parted.
        ceil: whether a pooling rounds its output size up.
        transposed: whether it spreads each input value over the output instead.
        output_padding: pixels added to a transposed convolution's output.
    """

    size: Sides
    kernel: Sides
    stride: Sides
    padding: Sides
    dilation: Sides
    groups: int = 1
    ceil: bool = False
    transposed: bool = False
    output_padding: Sides = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one value of the output sees of the image, one value an axis.

    Attributes:
        size: pixels; None where it sees the whole image, as after global pooling or attention.
        jump: pixels between what two neighbours see; None likewise.
        start: the pixel at which the first value begins to see, below zero in padding; None likewise.
    """

    size: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    start: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One call of one module.

    Attributes:
        name: dotted, as the network names it; empty for the network itself.
        kind: the module's class.
        call: 1 for the first time that the module is called, 2 for the second; 0 where it was not called at all.
        level: modules around it.
        is_leaf: whether it has no modules inside.
        window: where it slides one over its input.
        inputs: shapes of the tensors that go in.
        outputs: shapes of those that come out.
        weights, biases: numbers of its own parameters; those counted elsewhere already are not counted again.
        frozen: how many of these do not train.
        multiply_adds: of this call, without those of modules inside it.
        activation_bytes: of what comes out.
        seen_before, seen: receptive fields of what goes in and of what comes out; None where nothing of the image is.
    """

    name: str
    kind: str
    call: int
    level: int
    is_leaf: bool
    window: Window | None
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    weights: int
    biases: int
    frozen: int
    multiply_adds: int
    activation_bytes: int
    seen_before: Seen | None
    seen: Seen | None

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Totals:
    """What the whole network costs.

    Attributes:
        parameters, trainable: numbers; the rest is frozen.
        multiply_adds: of one forward pass of the batch; FLOPs are twice as many.
        weight_bytes: of parameters and buffers.
        activation_bytes: of the outputs of all leaves together.
        peak_bytes: largest sum of activations that are alive at once while predicting.
        training_bytes: activations kept for the backward pass; None where training could not be tried.
        training_obstacle: why it could not; None where it could.
        depth: weight layers on the longest path from input to output.
    """

    parameters: int
    trainable: int
    multiply_adds: int
    weight_bytes: int
    activation_bytes: int
    peak_bytes: int
    training_bytes: int | None
    training_obstacle: str | None
    depth: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A network taken apart.

    Attributes:
        name: of the network.
        input: shape of the batch that went through it.
        dtype: of weights and activations.
        layers: in the order in which they were called, the network itself first.
        totals: of all of them.
    """

    name: str
    input: Shape
    dtype: str
    layers: tuple[Layer, ...]
    totals: Totals

    @property
    def uncalled(self) -> int:
        """Parameters of modules that took no part, such as auxiliary heads while predicting."""
        return sum(layer.parameters for layer in self.layers if not layer.call)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a summary: a layer, or a block with everything inside it.

    Attributes:
        name, kind, call, window, seen_before, seen: as of a layer.
        inputs, outputs: likewise.
        is_block: whether other layers are rolled up in it.
        weights, biases, frozen, multiply_adds, activation_bytes: of the layer, or of everything inside the block.
    """

    name: str
    kind: str
    call: int
    is_block: bool
    window: Window | None
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    weights: int
    biases: int
    frozen: int
    multiply_adds: int
    activation_bytes: int
    seen_before: Seen | None
    seen: Seen | None

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Summary:
    """A network taken apart, and the rows that were asked for.

    Attributes:
        anatomy: all of it.
        rows: those to show.
        top1: percent of ImageNet's validation images, where the library publishes it with the weights.
    """

    anatomy: Anatomy
    rows: tuple[Row, ...]
    top1: float | None


@dataclass(frozen=True, slots=True)
class Shift:
    """What a shift of the image does to the maps of a layer.

    Attributes:
        layer: its name.
        shape: (D, h, w) of its maps.
        by: how far they should move to the right and downwards, in their own pixels; a fraction where the image moved by
            less than lies between two of them.
        change: length of the difference that is left when the maps are moved back by whole pixels, as a share of the maps'
            own length; None where they are nothing but zeros.
        sees_border: every unit sees padding, or what came in at the border, so that these count; else only units are
            compared that do not.
    """

    layer: str
    shape: tuple[int, int, int]
    by: tuple[float, float]
    change: float | None
    sees_border: bool

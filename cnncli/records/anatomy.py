"""The layers of a network: shapes, parameters, multiply-adds, memory and receptive fields."""

from cnncli.dataclass import frozen_dataclass

Shape = tuple[int, ...]
"""The shape of a tensor, such as (N, C, H, W) of an image batch."""

Sides = tuple[int, ...]
"""One value for each axis of the image: (height, width)."""


@frozen_dataclass
class Window:
    """How a convolution or pooling slides over its input, one value per axis.

    Attributes:
        size: size of its input in pixels; larger than the layer's input if the layer pads that itself.
        kernel, stride, padding, dilation: in pixels; padding on each side.
        groups: number of channel groups, as in torch's `groups`.
        ceil: whether a pooling rounds its output size up, as with torch's `ceil_mode`.
        transposed: whether it is a transposed convolution.
        output_padding: output padding of a transposed convolution, in pixels.
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


@frozen_dataclass
class LayerField:
    """Receptive field of a layer's output, one value per axis of the image.

    Attributes:
        size: in pixels; None where it is the whole image, as after global pooling or attention.
        jump: pixels between the fields of two neighbouring values; None likewise.
        start: the first pixel of the first value's field, negative in padding; None likewise.
    """

    size: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    start: tuple[float, ...] | None = None


@frozen_dataclass
class Layer:
    """One call of one module.

    Attributes:
        name: as in `named_modules`, with dots; empty for the network itself.
        kind: the module's class.
        call: 1 for the module's first call, 2 for the second; 0 where it is never called.
        is_used: whether it is called, or its parameters are used by operations of another module, as in attention.
        level: how many modules it is nested in.
        is_leaf: whether it has no child modules.
        window: window of a convolution or pooling; None for other layers.
        inputs: shapes of its input tensors.
        outputs: shapes of its output tensors.
        weights, biases: its own parameters, without child modules; shared ones are counted once, at their first layer.
        frozen: how many of these have no gradient.
        multiply_adds: multiply-adds of this call, without child modules.
        activation_bytes: size of its output tensors.
        input_field, field: receptive fields of its input and output; None where they do not depend on the image.
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
    input_field: LayerField | None
    field: LayerField | None
    is_used: bool = True

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@frozen_dataclass
class Totals:
    """Totals of a network.

    Attributes:
        parameters, trainable: number of parameters, and of trainable ones; the others are frozen.
        multiply_adds: multiply-adds of one forward pass of the batch; FLOPs are twice as many.
        weight_bytes: size of parameters and buffers.
        activation_bytes: size of the outputs of all leaf modules.
        peak_bytes: peak memory of activations during inference.
        training_bytes: activations saved for the backward pass; None where a training step could not be traced.
        training_error: why it could not be traced; None if it could.
        depth: weight layers on the longest path from input to output.
    """

    parameters: int
    trainable: int
    multiply_adds: int
    weight_bytes: int
    activation_bytes: int
    peak_bytes: int
    training_bytes: int | None
    training_error: str | None
    depth: int


@frozen_dataclass
class Anatomy:
    """A network, layer by layer.

    Attributes:
        name: name of the network.
        input: shape of the batch that it was traced with.
        dtype: data type of weights and activations, such as float32.
        layers: the layers in the order of their calls; the first is the network itself.
        totals: totals of all layers.
    """

    name: str
    input: Shape
    dtype: str
    layers: tuple[Layer, ...]
    totals: Totals

    @property
    def uncalled_parameters(self) -> int:
        """Parameters of modules that are never used, such as auxiliary heads in evaluation mode."""
        return sum(layer.parameters for layer in self.layers if not layer.is_used)


@frozen_dataclass
class Row:
    """A row of a summary: a layer, or a block with everything inside it.

    Attributes:
        name, kind, call, window, inputs, outputs, input_field, field, is_used: as in `Layer`.
        is_block: whether it includes its child modules.
        weights, biases, frozen, multiply_adds, activation_bytes: totals of the layer, or of everything inside the block.
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
    input_field: LayerField | None
    field: LayerField | None
    is_used: bool = True

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def type_text(self) -> str:
        """The module's class, and whether its parameters are used without a call of it, or not at all."""
        remark = "" if self.call else "(functional)" if self.is_used else "(not called)"
        return f"{self.kind} {remark}".strip()


@frozen_dataclass
class Summary:
    """An anatomy, and the rows of it to show.

    Attributes:
        anatomy: anatomy of the whole network.
        rows: the rows to show.
        top1: published top-1 accuracy on ImageNet's validation set in percent; None where unknown.
    """

    anatomy: Anatomy
    rows: tuple[Row, ...]
    top1: float | None


@frozen_dataclass
class LayerShift:
    """How the feature maps of a layer change when the image is shifted.

    Attributes:
        layer: its name.
        shape: (D, h, w) of its maps.
        expected_shift: to the right and down, in positions of the map; fractional where the image moves by less than the
            layer's jump.
        difference: L2 norm of the difference to the original maps, shifted by whole positions, relative to the norm of
            the original ones; None where those are all zero.
        includes_border: whether units are compared whose receptive fields reach the border, because all of them do; else
            only those are compared whose fields do not.
    """

    layer: str
    shape: tuple[int, int, int]
    expected_shift: tuple[float, float]
    difference: float | None
    includes_border: bool

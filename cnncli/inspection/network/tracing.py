"""Layers, shapes, costs and receptive fields of a network, traced by running one batch through it.

On the meta device tensors have shapes but no values, so that a trace costs neither memory nor arithmetic. Every torch
operation is recorded: functional pooling, attention and matrix products count like layers.
"""

import contextlib
import dataclasses
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from cnncli.geometry import ReceptiveField
from cnncli.inspection.network.propagation import TensorInfo, after_window, propagate
from cnncli.networks.zoo.blueprint_layers import LocallyConnectedLayer
from cnncli.records.anatomy import Anatomy, Layer, Shape, Totals, Window
from cnncli.text import first_line


@dataclass(slots=True)
class _Call:
    """One call of a module; `number` counts the calls of that module from 1, and is 0 for a module that is never called."""

    name: str
    module: nn.Module
    number: int
    level: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...] = ()
    output_bytes: int = 0
    window: Window | None = None
    multiply_adds: int = 0
    input_info: TensorInfo | None = None
    info: TensorInfo | None = None


FORWARD_ERRORS = (
    *(RuntimeError, ValueError, AssertionError, TypeError, IndexError, KeyError, ZeroDivisionError),
    *(AttributeError, NotImplementedError),
)
"""What networks raise when they are built for, or called with, an input that does not fit."""


class TracingError(Exception):
    """The forward pass of a network failed; the message names the layer.

    Attributes:
        needs_values: the network reads the values of its input, and meta tensors have none.
    """

    def __init__(self, module: str, error: Exception) -> None:
        super().__init__(f"{module}: {first_line(error)}")
        self.needs_values = isinstance(error, NotImplementedError) or "meta" in str(error).lower()


def trace(network: nn.Module, images: Tensor, name: str) -> Anatomy:
    """Run a batch through a network and record every layer.

    Args:
        network: in evaluation mode.
        images: (N, C, H, W), on the device of the network.
        name: of the network.

    Raises:
        TracingError: the forward pass failed.
    """
    tracer = _Tracer(network)
    try:
        with torch.no_grad(), _without_fast_path(), tracer.register_hooks(), tracer:
            tracer.start(images)
            network(images)
    except FORWARD_ERRORS as error:
        raise TracingError(tracer.current_module, error) from error
    layers = tuple(_layers(network, tracer.calls, tracer.used))
    training_bytes, obstacle = _training_bytes(network, images)
    parameters = list(network.parameters())
    buffers = list(network.buffers())
    totals = Totals(
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        weight_bytes=sum(tensor.nbytes for tensor in [*parameters, *buffers]),
        activation_bytes=sum(layer.activation_bytes for layer in layers if layer.is_leaf),
        peak_bytes=tracer.peak_bytes,
        training_bytes=training_bytes,
        training_error=obstacle,
        depth=tracer.depth,
    )
    return Anatomy(name, tuple(images.shape), str(images.dtype).removeprefix("torch."), layers, totals)


@contextlib.contextmanager
def _without_fast_path() -> Iterator[None]:
    """Keep torch from computing a whole transformer layer in one operation, as it does where gradients are off."""
    was_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


class _Tracer(TorchDispatchMode):
    """Records every torch operation with the module that it happens in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.depth = 0
        self.peak_bytes = 0
        self._names = {module: name for name, module in network.named_modules()}
        self._call_counts: dict[nn.Module, int] = {}
        self._stack: list[_Call] = []
        self._failed: _Call | None = None  # the innermost module that raised
        self._infos = WeakTensorKeyDictionary()
        self._weights = WeakTensorKeyDictionary()
        self.used: set[int] = set()  # identities of the parameters that an operation had as an operand
        for parameter in network.parameters():
            self._weights[parameter] = True
        self._memory = _Memory(_own_storages(network))

    @property
    def current_module(self) -> str:
        """The module that is running or has failed, for messages."""
        call = self._failed or (self._stack[-1] if self._stack else None)
        return f"{call.name or 'the network'} ({type(call.module).__name__})" if call else "the network"

    # ---- modules

    @contextlib.contextmanager
    def register_hooks(self) -> Iterator[None]:
        """Record every call of a module until the block ends."""
        handles = []
        for module in self._names:
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            # Also called for modules that raise, as a network's own head does where ours replaces it.
            handles.append(module.register_forward_hook(self._leave, with_kwargs=True, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, arguments: Any, options: Any) -> None:  # noqa: ANN401 - whatever a module takes
        number = self._call_counts[module] = self._call_counts.get(module, 0) + 1
        tensors = _tensors((arguments, options))
        inputs = tuple(tuple(tensor.shape) for tensor in tensors)
        call = _Call(self._names[module], module, number, len(self._stack), inputs)
        call.input_info = self._infos.get(tensors[0]) if tensors else None
        self.calls.append(call)
        self._stack.append(call)
        self._failed = None

    def _leave(self, _: nn.Module, __: Any, ___: Any, output: Any) -> None:  # noqa: ANN401 - whatever a module gives
        call = self._stack.pop()
        if output is None:
            self._failed = self._failed or call
            return
        tensors = _tensors(output)
        call.outputs = tuple(tuple(tensor.shape) for tensor in tensors)
        call.output_bytes = sum(tensor.nbytes for tensor in tensors)
        if isinstance(call.module, LocallyConnectedLayer) and call.input_info:
            call.window = call.module.window
            fields = after_window(call.input_info.fields, call.window)
            self._infos[tensors[0]] = replace(self._infos[tensors[0]], fields=fields, channel_axis=1)
        call.info = self._infos.get(tensors[0]) if tensors else None

    # ---- operations

    def start(self, images: Tensor) -> None:
        """Make a batch the image that everything else is computed from."""
        axes = images.dim() - 2
        self._infos[images] = TensorInfo(0, (ReceptiveField(),) * axes, 1)
        self._memory.count([images])
        self.peak_bytes = self._memory.alive

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - as torch calls it
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        results = [tensor for tensor in _tensors(output) if tensor.dim() or tensor.numel()]
        self._memory.count(results)
        self.peak_bytes = max(self.peak_bytes, self._memory.alive)
        call = self._stack[-1] if self._stack else None
        packet = func._overloadpacket  # noqa: SLF001 - as in torch's own flop counter
        if call and packet in flop_registry:
            call.multiply_adds += flop_registry[packet](*args, **kwargs, out_val=output) // 2
        operands = _tensors((args, kwargs))
        self.used.update(id(tensor) for tensor in operands if tensor in self._weights)
        image_operands = [(tensor, self._infos[tensor]) for tensor in operands if tensor in self._infos]
        if image_operands:
            has_weights = any(tensor in self._weights for tensor in operands)
            info, window = propagate(packet, args, image_operands, results, has_weights=has_weights)
            if call and window:
                call.window = window
            self.depth = max(self.depth, info.depth)
            for tensor in results:
                self._infos[tensor] = info
        elif any(tensor in self._weights for tensor in operands):
            for tensor in results:
                self._weights[tensor] = True
        return output


# ---- memory


class _Memory:
    """Bytes of the tensors that are alive; views of one storage count once."""

    def __init__(self, excluded: set[int]) -> None:
        self.alive = 0
        self._excluded = excluded
        self._views: dict[int, int] = {}
        self._tensors = WeakTensorKeyDictionary()

    def count(self, tensors: Sequence[Tensor]) -> None:
        """Count new tensors until they are freed."""
        for tensor in tensors:
            identity, size = _storage(tensor), tensor.untyped_storage().nbytes()
            if identity in self._excluded or tensor in self._tensors:
                continue
            self._tensors[tensor] = True
            if identity not in self._views:
                self.alive += size
            self._views[identity] = self._views.get(identity, 0) + 1
            weakref.finalize(tensor, self._release, identity, size)

    def _release(self, identity: int, size: int) -> None:
        self._views[identity] -= 1
        if not self._views[identity]:
            del self._views[identity]
            self.alive -= size


def _storage(tensor: Tensor) -> int:
    """An identifier of the tensor's storage, which its views share."""
    identity: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - as in torch's own memory tracker
    return identity


def _own_storages(network: nn.Module) -> set[int]:
    return {_storage(tensor) for tensor in [*network.parameters(), *network.buffers()]}


def _training_bytes(network: nn.Module, images: Tensor) -> tuple[int | None, str | None]:
    """Bytes that autograd keeps for the backward pass; or None, and the reason."""
    if images.device.type != "meta":
        return (
            None,
            "the network does not run on meta tensors",
        )  # a real run would change batch-norm statistics
    own_storages = _own_storages(network)
    saved: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        if (identity := _storage(tensor)) not in own_storages:
            saved[identity] = tensor, tensor.untyped_storage().nbytes()
        return tensor

    was_training = network.training
    network.train()
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(images)
    except FORWARD_ERRORS as error:
        if len(images) == 1 and "more than 1 value" in str(error):
            return None, "batch normalisation needs at least two images (-b 2)"
        return None, first_line(error)
    finally:
        network.train(was_training)
    return sum(size for _, size in saved.values()), None


# ---- from calls to layers


def _layers(network: nn.Module, calls: Sequence[_Call], used: set[int]) -> Iterator[Layer]:
    """A layer for each call, and one for each module with parameters that is never called.

    Args:
        network: the network.
        calls: of its modules, in order.
        used: identities of the parameters that were used.
    """
    counted: set[int] = set()
    for call in calls:
        yield _layer(call, counted)
    called = {call.module for call in calls}
    for name, module in network.named_modules():
        if module not in called and any(True for _ in module.parameters(recurse=False)):
            layer = _layer(_Call(name, module, 0, name.count(".") + 1, ()), counted)
            is_used = any(id(parameter) in used for parameter in module.parameters(recurse=False))
            yield dataclasses.replace(layer, is_used=is_used)


def _layer(call: _Call, counted: set[int]) -> Layer:
    parameters = [
        (name, parameter)
        for name, parameter in call.module.named_parameters(recurse=False)
        if id(parameter) not in counted
    ]
    counted.update(id(parameter) for _, parameter in parameters)
    biases = sum(parameter.numel() for name, parameter in parameters if name.endswith("bias"))
    return Layer(
        name=call.name,
        kind=type(call.module).__name__,
        call=call.number,
        level=call.level,
        is_leaf=next(call.module.children(), None) is None,
        window=call.window,
        inputs=call.inputs,
        outputs=call.outputs,
        weights=sum(parameter.numel() for _, parameter in parameters) - biases,
        biases=biases,
        frozen=sum(parameter.numel() for _, parameter in parameters if not parameter.requires_grad),
        multiply_adds=call.multiply_adds,
        activation_bytes=call.output_bytes,
        input_field=call.input_info.field if call.input_info else None,
        field=call.info.field if call.info else None,
    )


def _tensors(value: Any) -> list[Tensor]:  # noqa: ANN401 - any nest of lists, tuples, dicts
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]

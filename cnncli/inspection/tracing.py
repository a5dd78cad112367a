"""A network taken apart by sending one batch through it and watching every operation.

On the meta device tensors have shapes and no values, so this costs neither memory nor arithmetic. What is watched is
what torch really does: functional pooling, attention and matrix products count as well as layers do.
"""

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from cnncli.geometry import ReceptiveField
from cnncli.inspection.flow import Flow, after
from cnncli.records.anatomy import Anatomy, Layer, Shape, Totals, Window


@dataclass(slots=True)
class _Node:
    """A call of a module under way."""

    name: str
    module: nn.Module
    call: int
    level: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...] = ()
    output_bytes: int = 0
    window: Window | None = None
    multiply_adds: int = 0
    flow_in: Flow | None = None
    flow: Flow | None = None


MISFITS = (
    *(RuntimeError, ValueError, AssertionError, TypeError, IndexError, KeyError, ZeroDivisionError),
    *(AttributeError, NotImplementedError),
)
"""What networks raise when they are built for, or get, what does not fit them."""


class TracingError(Exception):
    """A batch does not go through a network; the message names the layer.

    Attributes:
        needs_values: the network looks at the values of its input, and meta tensors have none.
    """

    def __init__(self, place: str, error: Exception) -> None:
        super().__init__(f"{place} says: {(str(error).strip() or type(error).__name__).splitlines()[0]}")
        self.needs_values = isinstance(error, NotImplementedError) or "meta" in str(error).lower()


def trace(network: nn.Module, images: Tensor, name: str) -> Anatomy:
    """Send a batch through a network, and write down what happens.

    Args:
        network: in evaluation mode.
        images: (N, C, H, W), on the device of the network.
        name: of the network.

    Raises:
        TracingError: the batch does not go through.
    """
    watch = _Watch(network)
    try:
        with torch.no_grad(), _step_by_step(), watch.hooked(), watch:
            watch.follow(images)
            network(images)
    except MISFITS as error:
        raise TracingError(watch.place, error) from error
    layers = tuple(_layers(network, watch.nodes))
    training_bytes, obstacle = _training_bytes(network, images)
    parameters = list(network.parameters())
    buffers = list(network.buffers())
    totals = Totals(
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        weight_bytes=sum(tensor.nbytes for tensor in [*parameters, *buffers]),
        activation_bytes=sum(layer.activation_bytes for layer in layers if layer.is_leaf),
        peak_bytes=watch.peak_bytes,
        training_bytes=training_bytes,
        training_obstacle=obstacle,
        depth=watch.depth,
    )
    return Anatomy(name, tuple(images.shape), str(images.dtype).removeprefix("torch."), layers, totals)


@contextlib.contextmanager
def _step_by_step() -> Iterator[None]:
    """No operation that does all of a transformer's layer at once, as torch takes where no gradient is asked for."""
    was_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_fast)


class _Watch(TorchDispatchMode):
    """Sees every operation, and knows the module that it happens in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.nodes: list[_Node] = []
        self.depth = 0
        self.peak_bytes = 0
        self._names = {module: name for name, module in network.named_modules()}
        self._calls: dict[nn.Module, int] = {}
        self._stack: list[_Node] = []
        self._failed: _Node | None = None  # the innermost module that an exception has left
        self._flows = WeakTensorKeyDictionary()
        self._weights = WeakTensorKeyDictionary()
        for parameter in network.parameters():
            self._weights[parameter] = True
        self._memory = _Memory(_own_storages(network))

    @property
    def place(self) -> str:
        """The module that is at work, for messages."""
        node = self._failed or (self._stack[-1] if self._stack else None)
        return f"{node.name or 'the network'} ({type(node.module).__name__})" if node else "the network"

    # ---- modules

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """Hear of every call of a module until the block ends."""
        handles = []
        for module in self._names:
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            # Called for modules that are left by an exception, too, as a network with a head of ours leaves its own.
            handles.append(module.register_forward_hook(self._leave, with_kwargs=True, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, arguments: Any, options: Any) -> None:  # noqa: ANN401 - whatever a module takes
        call = self._calls[module] = self._calls.get(module, 0) + 1
        tensors = _tensors((arguments, options))
        inputs = tuple(tuple(tensor.shape) for tensor in tensors)
        node = _Node(self._names[module], module, call, len(self._stack), inputs)
        node.flow_in = self._flows.get(tensors[0]) if tensors else None
        self.nodes.append(node)
        self._stack.append(node)
        self._failed = None

    def _leave(self, _: nn.Module, __: Any, ___: Any, output: Any) -> None:  # noqa: ANN401 - whatever a module gives
        node = self._stack.pop()
        if output is None:
            self._failed = self._failed or node
            return
        tensors = _tensors(output)
        node.outputs = tuple(tuple(tensor.shape) for tensor in tensors)
        node.output_bytes = sum(tensor.nbytes for tensor in tensors)
        node.flow = self._flows.get(tensors[0]) if tensors else None

    # ---- operations

    def follow(self, images: Tensor) -> None:
        """The batch that everything comes from."""
        axes = images.dim() - 2
        self._flows[images] = Flow(0, (ReceptiveField(),) * axes, 1)
        self._memory.count([images])
        self.peak_bytes = self._memory.alive

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - as torch calls it
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        results = [tensor for tensor in _tensors(output) if tensor.dim() or tensor.numel()]
        self._memory.count(results)
        self.peak_bytes = max(self.peak_bytes, self._memory.alive)
        node = self._stack[-1] if self._stack else None
        packet = func._overloadpacket  # noqa: SLF001 - as in torch's own flop counter
        if node and packet in flop_registry:
            node.multiply_adds += flop_registry[packet](*args, **kwargs, out_val=output) // 2
        operands = _tensors((args, kwargs))
        flowing = [(tensor, self._flows[tensor]) for tensor in operands if tensor in self._flows]
        if flowing:
            has_weights = any(tensor in self._weights for tensor in operands)
            flow, window = after(packet, args, flowing, results, has_weights=has_weights)
            if node and window:
                node.window = window
            self.depth = max(self.depth, flow.depth)
            for tensor in results:
                self._flows[tensor] = flow
        elif any(tensor in self._weights for tensor in operands):
            for tensor in results:
                self._weights[tensor] = True
        return output


# ---- memory


class _Memory:
    """Bytes of the tensors that are alive; several views of one storage count once."""

    def __init__(self, excluded: set[int]) -> None:
        self.alive = 0
        self._excluded = excluded
        self._views: dict[int, int] = {}
        self._known = WeakTensorKeyDictionary()

    def count(self, tensors: Sequence[Tensor]) -> None:
        """Tensors that have come to be."""
        for tensor in tensors:
            identity, size = _storage(tensor), tensor.untyped_storage().nbytes()
            if identity in self._excluded or tensor in self._known:
                continue
            self._known[tensor] = True
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
    """What tells storages apart: views of one tensor share theirs."""
    identity: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - as in torch's own memory tracker
    return identity


def _own_storages(network: nn.Module) -> set[int]:
    return {_storage(tensor) for tensor in [*network.parameters(), *network.buffers()]}


def _training_bytes(network: nn.Module, images: Tensor) -> tuple[int | None, str | None]:
    """Bytes that autograd keeps from the forward to the backward pass; or None, and why."""
    if images.device.type != "meta":
        return None, "it cannot run without values"  # and trying would change a real network's statistics
    own = _own_storages(network)
    kept: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        if (identity := _storage(tensor)) not in own:
            kept[identity] = tensor, tensor.untyped_storage().nbytes()
        return tensor

    was_training = network.training
    network.train()
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(images)
    except MISFITS as error:
        if len(images) == 1 and "more than 1 value" in str(error):
            return None, "batch normalisation needs two images, -b 2"
        return None, (str(error).strip() or type(error).__name__).splitlines()[0]
    finally:
        network.train(was_training)
    return sum(size for _, size in kept.values()), None


# ---- from nodes to layers


def _layers(network: nn.Module, nodes: Sequence[_Node]) -> Iterator[Layer]:
    """A layer for each call, and one for each module that was not called but has parameters."""
    counted: set[int] = set()
    for node in nodes:
        yield _layer(node, counted)
    called = {node.module for node in nodes}
    for name, module in network.named_modules():
        if module not in called and any(True for _ in module.parameters(recurse=False)):
            yield _layer(_Node(name, module, 0, name.count(".") + 1, ()), counted)


def _layer(node: _Node, counted: set[int]) -> Layer:
    own = [
        (name, parameter)
        for name, parameter in node.module.named_parameters(recurse=False)
        if id(parameter) not in counted
    ]
    counted.update(id(parameter) for _, parameter in own)
    biases = sum(parameter.numel() for name, parameter in own if name.endswith("bias"))
    return Layer(
        name=node.name,
        kind=type(node.module).__name__,
        call=node.call,
        level=node.level,
        is_leaf=next(node.module.children(), None) is None,
        window=node.window,
        inputs=node.inputs,
        outputs=node.outputs,
        weights=sum(parameter.numel() for _, parameter in own) - biases,
        biases=biases,
        frozen=sum(parameter.numel() for _, parameter in own if not parameter.requires_grad),
        multiply_adds=node.multiply_adds,
        activation_bytes=node.output_bytes,
        seen_before=node.flow_in.seen if node.flow_in else None,
        seen=node.flow.seen if node.flow else None,
    )


def _tensors(value: Any) -> list[Tensor]:  # noqa: ANN401 - any nest of lists, tuples, dicts
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]

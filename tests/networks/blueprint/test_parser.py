"""Blueprints: read, written back, and refused with the place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.errors import BlueprintError, CnncliError
from cnncli.networks import blueprint
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.tree import (
    Activation,
    ActivationStep,
    Auxiliary,
    BatchNorm,
    Blueprint,
    Branches,
    Convolution,
    Dropout,
    Flatten,
    GlobalAverage,
    Inception,
    Linear,
    LocallyConnected,
    LocalResponseNorm,
    Pooling,
    Residual,
    Shortcut,
    SoftMax,
    Step,
    Steps,
    TransposedConvolution,
)
from cnncli.networks.blueprint.writer import to_text
from cnncli.networks.normalization import Normalization
from cnncli.records.choices import PoolKind


def step(text: str) -> Step:
    (only,) = parse(f"input 3x64x64; {text}").steps
    return only


def conv(maps: int, kernel: tuple[int, int], **changes: object) -> Convolution:
    usual = {"stride": (1, 1), "padding": "same", "dilation": (1, 1)}
    return Convolution(maps, kernel, **(usual | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv3-64", conv(64, (3, 3))),
        ("conv1-256", conv(256, (1, 1))),
        ("conv11-96/4", conv(96, (11, 11), stride=(4, 4))),
        ("conv11-96 /4 valid", conv(96, (11, 11), stride=(4, 4), padding=(0, 0))),
        ("conv3x5-33", conv(33, (3, 5))),
        (
            "conv3x5-33 stride 2x1 pad 4x2 dilation 3x1",
            conv(33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1)),
        ),
        ("conv2-8 pad 0:1", conv(8, (2, 2), padding=((0, 1), (0, 1)))),
        ("conv2x3-8 pad 0:1x2:0", conv(8, (2, 3), padding=((0, 1), (2, 0)))),
        ("local3-8 valid relu", LocallyConnected(8, (3, 3), (1, 1), (0, 0), (1, 1), activation=Activation.RELU)),
        ("transposed4-6/2 pad 1 outpad 1", TransposedConvolution(6, (4, 4), (2, 2), (1, 1), (1, 1), output_padding=(1, 1))),
        ("CONV3-64 ReLU Valid", conv(64, (3, 3), padding=(0, 0), activation=Activation.RELU)),
        ("conv3-8 groups 2 nobias batchnorm tanh", conv(8, (3, 3), groups=2, bias=False, batchnorm=True, activation=Activation.TANH)),
        ("maxpool", Pooling(PoolKind.MAX, (2, 2), (2, 2), (0, 0))),
        ("avgpool 3/2 pad 1 ceil", Pooling(PoolKind.AVERAGE, (3, 3), (2, 2), (1, 1), ceil=True)),
        ("minpool 3", Pooling(PoolKind.MIN, (3, 3), (3, 3), (0, 0))),
        ("maxpool 3x2/2x1 same", Pooling(PoolKind.MAX, (3, 2), (2, 1), "same")),
        ("LRN", LocalResponseNorm()),
        ("LRN size 3 alpha 1e-3 k 1", LocalResponseNorm(3, 1e-3, 0.75, 1.0)),
        ("FC-4096", Linear(4096)),
        ("fc-10 linear nobias", Linear(10, bias=False, activation=Activation.LINEAR)),
        ("soft-max", SoftMax()),
        ("dropout 0.5", Dropout(0.5)),
        ("flatten", Flatten()),
        ("gap", GlobalAverage()),
        ("relu", ActivationStep(Activation.RELU)),
        ("batchnorm", BatchNorm()),
        ("inception(64, 96, 128, 16, 32, 32)", Inception(64, 96, 128, 16, 32, 32)),
        ("residual { conv3-3 }", Residual((conv(3, (3, 3)),))),
        ("residual project { conv3-3 } relu", Residual((conv(3, (3, 3)),), Shortcut.PROJECT, Activation.RELU)),
        ("branches { conv1-3 | gap; FC-2 }", Branches(((conv(3, (1, 1)),), (GlobalAverage(), Linear(2))))),
        ("aux 0.3 { FC-10 }", Auxiliary(0.3, (Linear(10),))),
    ],
)  # fmt: skip
def test_steps(text: str, expected: Step) -> None:
    assert step(text) == expected


def test_one_and_three_axes() -> None:
    (only,) = parse("input 16x50; conv1d3-33/2 valid").steps
    assert only == Convolution(33, (3,), (2,), (0,), (1,))
    (only,) = parse("input 1x8x8x8; conv3d3x5x5-16").steps
    assert only == Convolution(16, (3, 5, 5), (1, 1, 1), "same", (1, 1, 1))


def test_repeats_remarks_and_lines() -> None:
    result = parse(
        """
        # a network
        input: 1x8x8   # grey
        activation: tanh
        repeat 2 { conv3-4; maxpool }  # twice

        FC-3
        """
    )
    block = (conv(4, (3, 3)), Pooling(PoolKind.MAX, (2, 2), (2, 2), (0, 0)))
    assert result == Blueprint((1, 8, 8), (*block, *block, Linear(3)), Activation.TANH)


def test_the_header_names_the_normalisation_of_pixels() -> None:
    for line in ("normalize: 0..1", "normalize 0..1", "normalize: mean 0; std 1", "normalize: mean 0\nstd 1"):
        assert parse(f"{line}\ninput 3x8x8\nFC-2").normalization == Normalization((0.0,), (1.0,)), line
    text = to_text(parse("input 1x8x8; normalize: mean 0.25; std 2; FC-2"))
    assert text == "input 1x8x8\nnormalize: mean 0.25; std 2.0\nFC-2\n"
    assert parse("input 3x8x8; FC-2").normalization is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a blueprint begins with its input"),
        ("conv3-4", "a blueprint begins with its input"),
        ("input 3x8x8; input 1x8x8; FC-2", "input given twice"),
        (
            "input 3x8x8\nactivation: relu\nactivation: tanh\nFC-2",
            "line 3: activation: tanh: activation given twice",
        ),
        ("input 3x8x8\nConv3-4/2 stride 3", "line 2: Conv3-4/2 stride 3: stride given twice"),
        ("input 3x8x8; aux 1e999 { FC-10 }; FC-10", "1e999 is too large"),
        ("input 3x8x8; conf3-64", "unknown layer"),
        ("input", "input needs a value"),
        ("input 1x2x3x4x5; FC-2", "the input is channels x height x width"),
        ("input 5; conv3-4; FC-2", "a convolution over 2 axes on an input with 0 axes"),
        ("input 3x8x8; conv3-4 pad 1:", "'1:' is not of the form BEFORE:AFTER"),
        ("input 3x8x8; local3-4 groups 3", "unexpected 'groups'"),
        ("input 3x8x8; medianpool 3", "unknown layer"),
        ("input 3x0x4; FC-1", "'0' is not a positive integer"),
        ("input 3x8x8", "the blueprint has no layers"),
        ("input 3x8x8; conv3", "conv3: unknown layer"),
        ("input 3x8x8\n\nFC-3\nconv3-64 fast", "line 4: conv3-64 fast: unexpected 'fast'"),
        ("input 3x8x8\nrelu\nconv3-64 stride", "line 3: conv3-64 stride: stride needs a value"),
        ("input 3x8x8; conv3-64 stride x", "'x' is not an integer of at least 1"),
        ("input 3x8x8; conv3-64 stride 1x2x3", "'1x2x3' has 3 values for 2 axes"),
        ("input 3x8x8; conv1d3-4", "a convolution over 1 axes on an input with 2 axes"),
        ("input 3x8x8; dropout 1.5", "1.5 is not at least 0 and below 1"),
        ("input 3x8x8; dropout x", "'x' is not a number"),
        ("input 3x8x8; inception(1, 2)", "unknown layer"),
        ("input 3x8x8; }", "unmatched '}'"),
        ("input 3x8x8; residual { conv3-3", "the closing brace is missing"),
        ("input 3x8x8; residual { }", "residual: the block is empty"),
        ("input 3x8x8; residual { FC-3 | FC-3 }", "`|` is allowed in branches only"),
        ("input 3x8x8; residual { FC-3 } quickly", "no activation is called 'quickly'"),
        ("input 3x8x8; repeat 2 { FC-3 } relu", "unexpected 'relu' after the closing brace"),
        ("input 3x8x8; branches { FC-3 }", "needs at least two branches"),
        ("input 3x8x8; conv3-4 { FC-3 }", "takes no block"),
        ("input 3x8x8; { FC-3 }", "unexpected '{'"),
        ("input 3x8x8; relu; activation: tanh", "activation: tanh: unknown layer"),
        ("input 3x8x8\nactivation: fast\nFC-3", "line 2: activation: fast: no activation is called 'fast'"),
        ("input 3x8x8\nnormalize: fast\nFC-3", "line 2: normalize: fast: unknown normalisation 'fast'"),
        ("input 3x8x8; normalize: mean 0.5; FC-3", "normalize: mean 0.5: unknown normalisation 'mean 0.5'"),
        ("input 1x8x8; normalize: imagenet; FC-3", "the normalisation imagenet is for 3 channels"),
        ("input 3x8x8; normalize; FC-3", "normalize needs a value"),
        ("input 3x8x8; repeat 10001 { relu }", "more than 10,000 layers"),
        ("input 3x8x8;" + "relu;" * 10_001, "more than 10,000 layers"),
        ("input 3x8x8;" + "residual {" * 10_000, "more than 32 nested blocks"),
        ("input 3x8x8; conv3-4)", "unknown layer"),
    ],
)
def test_invalid_blueprints_are_errors(text: str, complaint: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        parse(text)
    assert complaint in caught.value.message


@given(st.text(alphabet="convpolinuteFC-relgap0123456789x/ ;{}|#().\n:", max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for whole in (text, f"input 3x8x8; {text}"):
        try:
            result = parse(whole)
        except CnncliError:
            continue
        assert parse(to_text(result)) == result


sides = st.tuples(st.integers(1, 7), st.integers(1, 7))
activations = st.none() | st.sampled_from(Activation)
pads = st.just("same") | st.tuples(st.integers(0, 3), st.integers(0, 3))
uneven = st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.just((1, 0)))
numbers = st.integers(1, 5000)
kinds = st.sampled_from([PoolKind.MAX, PoolKind.AVERAGE, PoolKind.MIN])
layer_options = (st.booleans(), st.booleans(), activations)
leaves: st.SearchStrategy[Step] = st.one_of(
    st.builds(Convolution, numbers, sides, sides, pads | uneven, sides, st.integers(1, 8), *layer_options),
    st.builds(LocallyConnected, numbers, sides, sides, pads | uneven, sides, st.just(1), *layer_options),
    st.builds(
        TransposedConvolution,
        *(numbers, sides, sides, st.tuples(st.integers(0, 3), st.integers(0, 3)), sides, st.integers(1, 8)),
        *layer_options,
        output_padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    ),
    st.builds(Pooling, kinds, sides, sides, pads, st.booleans()),
    st.builds(Linear, numbers, st.booleans(), st.booleans(), activations),
    st.builds(ActivationStep, st.sampled_from(Activation)),
    st.builds(
        LocalResponseNorm,
        st.integers(1, 9),
        st.floats(1e-6, 10),
        st.floats(1e-6, 10),
        st.floats(1e-6, 10),
    ),
    st.builds(Dropout, st.floats(0, 0.999)),
    st.builds(Inception, *[numbers] * 6),
    st.sampled_from([BatchNorm(), Flatten(), GlobalAverage(), SoftMax()]),
)


def nested(inner: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
    body: st.SearchStrategy[Steps] = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Residual, body, st.sampled_from(Shortcut), activations),
        st.builds(Auxiliary, st.floats(0, 10), body),
        st.builds(Branches, st.lists(body, min_size=2, max_size=3).map(tuple)),
    )


steps = st.lists(st.recursive(leaves, nested, max_leaves=8), min_size=1, max_size=8).map(tuple)


normalizations = st.none() | st.builds(
    Normalization, st.tuples(st.floats(-9, 9)), st.tuples(st.floats(1e-6, 9))
)


@pytest.mark.slow
@given(st.builds(Blueprint, st.tuples(numbers, numbers, numbers), steps, activations, normalizations))
@settings(max_examples=60, deadline=None)
def test_written_blueprints_are_read_back(result: Blueprint) -> None:
    assert parse(to_text(result)) == result


@pytest.mark.parametrize("name", blueprint.names())
def test_shipped_blueprints_round_trip(name: str) -> None:
    result = blueprint.find(name)
    assert parse(to_text(result)) == result


def test_the_notation_page_lists_shipped_blueprints_and_its_examples_work() -> None:
    page = blueprint.notation()
    assert all(name in page.split() for name in blueprint.names())


def test_the_deepest_nesting_round_trips() -> None:
    text = "input 3x8x8\n" + "residual {\n" * 32 + "conv3-3\nconv3-3\n" + "}\n" * 32 + "FC-2"
    result = parse(text)
    assert parse(to_text(result)) == result


def test_a_misspelt_word_gets_a_suggestion() -> None:
    with pytest.raises(BlueprintError) as caught:
        parse("input 3x8x8; conf3-64; FC-2")
    assert "conv3-64" in (caught.value.hint or "")

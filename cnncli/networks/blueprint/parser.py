"""Text to tree. Knows words and their order, no sizes: whether layers fit together is for `shapes` to say.

input 3x224x224             the header: what goes in, and
activation: relu            what follows every hidden layer that names nothing itself
conv3-64 valid relu         a step: its word, then what belongs to it in any order
a; b; c                     steps on one line
residual { … }              steps within a step; branches { … | … } has several ways
repeat 3 { … }              the same as writing it three times
# …                         a remark
"""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cnncli.errors import BlueprintError
from cnncli.networks.blueprint.tree import (
    SAME,
    Activated,
    Activation,
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
    LocalResponseNorm,
    Padding,
    Place,
    Pool,
    Pooling,
    Residual,
    Shortcut,
    Sides,
    SoftMax,
    Step,
    Steps,
)

MAX_STEPS = 10_000
MAX_NESTING = 32
_LARGEST_NUMBER = 1_000_000

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\f\v]+)|(?P<remark>\#[^\n]*)|(?P<end>[\n;])|(?P<sign>[{}|])"
    r"|(?P<word>[^\s;{}|\#(]+(?:\([^)\n]*\))?|\()"
)
_NUMBER = r"\d{1,7}"
_SIDES = rf"{_NUMBER}(?:x{_NUMBER}){{0,2}}"
_CONV = re.compile(rf"conv(1d)?({_SIDES})-({_NUMBER})(?:/({_SIDES}))?")
_POOL = re.compile(r"(max|avg|min)pool")
_WINDOW = re.compile(rf"({_SIDES})(?:/({_SIDES}))?")
_STRIDE = re.compile(rf"/({_SIDES})")
_INCEPTION = re.compile(rf"inception\((\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*){{5}})\)")


_EXAMPLES = (
    *("conv3-64", "conv1d3-64", "maxpool 2", "avgpool 2", "minpool 2", "fc-4096", "dropout 0.5", "batchnorm"),
    *("flatten", "gap", "soft-max", "lrn", "relu", "tanh", "inception(64, 96, 128, 16, 32, 32)"),
)


def parse(text: str) -> Blueprint:
    """The blueprint that a text describes.

    Raises:
        BlueprintError: it describes none; the message begins with the line.
    """
    return _Parser(text).blueprint()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line, place = 1, 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:  # a control character, say
            raise BlueprintError(f"line {line}: {text[place]!r} has no meaning here")
        if match.lastgroup not in {"space", "remark"}:
            yield _Token(match.lastgroup, match[0], line)
        line += match[0].count("\n")
        place = match.end()
    yield _Token("end", "\n", line)
    yield _Token("stop", "", line)


class _Words:
    """The words of one step; whatever is not taken in the end has no meaning."""

    def __init__(self, words: list[str], place: Place) -> None:
        self.place = place
        self.head = words[0]
        self._rest = words[1:]

    def error(self, message: str, hint: str | None = None) -> BlueprintError:
        """Something that is wrong with this step."""
        return BlueprintError(f"{self.place}: {message}", hint)

    def take(self, *names: str) -> str | None:
        """One of these words, if it is there."""
        for name in names:
            if name in self._rest:
                self._rest.remove(name)
                return name
        return None

    def matching(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first word of that form, if there is one."""
        for word in self._rest:
            if match := pattern.fullmatch(word):
                self._rest.remove(word)
                return match
        return None

    def after(self, *names: str) -> str | None:
        """The word that follows one of these, both taken."""
        for name in names:
            if name in self._rest:
                index = self._rest.index(name)
                if index + 1 == len(self._rest):
                    raise self.error(f"{name} needs a value")
                value = self._rest[index + 1]
                del self._rest[index : index + 2]
                return value
        return None

    def value(self) -> str | None:
        """The next word."""
        return self._rest.pop(0) if self._rest else None

    def finish(self) -> None:
        """See that nothing is left."""
        if self._rest:
            raise self.error(
                f"{self._rest[0]!r} has no meaning here", "`cnncli summary --help-blueprint` has all words"
            )


class _Parser:
    def __init__(self, text: str) -> None:
        self._is_one_line = "\n" not in text.strip()
        self._tokens = list(_tokens(text))
        self._next = 0
        self._axes = 2

    def blueprint(self) -> Blueprint:
        """Header and steps."""
        shape: tuple[int, ...] | None = None
        activation: Activation | None = None
        while words := self._header():
            value = words.value()
            if value is None:
                raise words.error(f"{words.head} needs a value")
            if (shape if words.head == "input" else activation) is not None:
                raise words.error(f"there is one {words.head} already")
            if words.head == "input":
                shape = _input(value, words)
                self._axes = len(shape) - 1
            else:
                activation = _activation(value, words)
            words.finish()
        if shape is None:
            raise BlueprintError(
                "a blueprint begins with its input", "write, say, input 3x224x224 on the first line"
            )
        steps = self._steps(nesting=0)
        if self._here.kind != "stop":
            raise BlueprintError(f"{self._line()}{self._here.text!r} closes nothing")
        if not steps:
            raise BlueprintError("the blueprint has no layers", "write, say, FC-10 after the input")
        return Blueprint(shape, steps, activation)

    # ---- statements

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _line(self) -> str:
        return "" if self._is_one_line else f"line {self._here.line}: "

    def _skip_ends(self) -> None:
        while self._here.kind == "end":
            self._next += 1

    def _words(self) -> _Words:
        """The words up to the end of the step, or up to a sign."""
        line, words = self._here.line, []
        while self._here.kind == "word":
            words.append(self._here.text)
            self._next += 1
        place = Place(0 if self._is_one_line else line, " ".join(words))
        return _Words([word.lower() for word in words], place)

    def _header(self) -> _Words | None:
        self._skip_ends()
        if self._here.kind != "word" or self._here.text.lower().rstrip(":") not in {"input", "activation"}:
            return None
        words = self._words()
        words.head = words.head.rstrip(":")
        return words

    def _steps(self, nesting: int) -> Steps:
        """The steps up to a closing sign, or up to the end."""
        steps: list[Step] = []
        while True:
            self._skip_ends()
            if self._here.kind != "word":
                if self._here.text == "{":
                    raise BlueprintError(f"{self._line()}a brace without a word before it")
                return tuple(steps)
            words = self._words()
            new = self._block(words, nesting) if self._here.text == "{" else (self._step(words),)
            steps += new
            if len(steps) > MAX_STEPS:
                raise words.error(f"more than {MAX_STEPS:,} layers")
            if self._here.kind == "word":
                raise words.error("a new step begins on a new line, or after a semicolon")

    def _block(self, words: _Words, nesting: int) -> Steps:
        """A step with others inside."""
        if nesting >= MAX_NESTING:
            raise words.error(f"more than {MAX_NESTING} braces within each other")
        bodies = []
        sign = "{"
        while sign in {"{", "|"}:
            self._next += 1
            bodies.append(self._steps(nesting + 1))
            sign = self._here.text
        if sign != "}":
            raise words.error("its brace is never closed")
        self._next += 1
        trailer = self._words() if self._here.kind == "word" else None
        return self._made(words, bodies, trailer)

    def _made(self, words: _Words, bodies: list[Steps], trailer: _Words | None) -> Steps:
        head = words.head
        if head not in {"repeat", "residual", "branches", "aux"}:
            raise words.error("has nothing inside it", "braces belong to repeat, residual, branches and aux")
        if head != "branches" and len(bodies) > 1:
            raise words.error("has one way only; `|` belongs to branches")
        if head != "branches" and not bodies[0]:
            raise words.error("is empty")
        activation = None
        if trailer is not None:
            if head != "residual":
                raise words.error(f"nothing may follow its closing brace, and there is {trailer.head!r}")
            activation = _activation(trailer.head, words)
            trailer.finish()
        made = self._blocks[head](words, bodies, activation)
        words.finish()
        return made

    @property
    def _blocks(self) -> "dict[str, Callable[[_Words, list[Steps], Activation | None], Steps]]":
        return {"repeat": _repeat, "residual": _residual, "branches": _branches, "aux": _auxiliary}

    # ---- steps

    def _step(self, words: _Words) -> Step:
        step = self._read(words)
        words.finish()
        return step

    def _read(self, words: _Words) -> Step:  # noqa: C901, PLR0911 - one line a kind of step
        head, place = words.head, words.place
        if match := _CONV.fullmatch(head):
            return self._convolution(match, words)
        if match := _POOL.fullmatch(head):
            return self._pooling(Pool(match[1]), words)
        if match := re.fullmatch(rf"fc-({_NUMBER})", head):
            return Linear(_positive(match[1], words), *_trimmings(words), place=place)
        if match := _INCEPTION.fullmatch(head):
            return Inception(*(_positive(number, words) for number in match[1].split(",")), place=place)
        if head in set(Activation):
            return Activated(Activation(head), place=place)
        match head:
            case "lrn":
                return _lrn(words)
            case "dropout":
                return Dropout(_probability(words.value(), words), place=place)
            case "batchnorm":
                return BatchNorm(place=place)
            case "flatten":
                return Flatten(place=place)
            case "gap":
                return GlobalAverage(place=place)
            case "soft-max" | "softmax":
                return SoftMax(place=place)
        close = difflib.get_close_matches(head, _EXAMPLES, 2, cutoff=0.5)
        hint = f"write it like {' or '.join(close)}; " if close else ""
        raise words.error("no layer is called so", f"{hint}`cnncli summary --help-blueprint` has all words")

    def _convolution(self, match: re.Match[str], words: _Words) -> Convolution:
        axes = 1 if match[1] else 2
        if axes != self._axes:
            raise words.error(f"the input has {self._axes} axes beside its channels, this convolution {axes}")
        kernel = _sides(match[2], axes, words)
        stride = _stride(match[4], words)
        padding = _padding(words, axes)
        dilation, groups = words.after("dilation"), words.after("groups")
        return Convolution(
            _positive(match[3], words),
            kernel,
            _sides(stride, axes, words) if stride else (1,) * axes,
            SAME if padding is None else padding,
            _sides(dilation, axes, words) if dilation else (1,) * axes,
            _positive(groups, words) if groups else 1,
            *_trimmings(words),
            place=words.place,
        )

    def _pooling(self, pool: Pool, words: _Words) -> Pooling:
        window = words.matching(_WINDOW)
        kernel = _sides(window[1] if window else "2", self._axes, words)
        stride = _stride(window[2] if window else None, words)
        padding = _padding(words, self._axes)
        return Pooling(
            pool,
            kernel,
            _sides(stride, self._axes, words) if stride else kernel,
            (0,) * self._axes if padding is None else padding,
            words.take("ceil") is not None,
            place=words.place,
        )


# ---- what stands within a step


def _stride(written: str | None, words: _Words) -> str | None:
    """The stride, which stands after the kernel's slash, a slash of its own, or its name; once."""
    match = words.matching(_STRIDE)
    given = [stride for stride in (written, match and match[1], words.after("stride")) if stride]
    if len(given) > 1:
        raise words.error("has two strides")
    return given[0] if given else None


def _input(value: str, words: _Words) -> tuple[int, ...]:
    shape = tuple(_positive(side, words) for side in value.split("x"))
    if len(shape) not in {2, 3}:
        raise words.error("an input is channels x height x width, or channels x length")
    return shape


def _positive(text: str, words: _Words) -> int:
    if not re.fullmatch(_NUMBER, text.strip()) or not int(text):
        raise words.error(f"{text.strip()!r} should be a whole number above zero")
    return int(text)


def _sides(text: str, axes: int, words: _Words, *, smallest: int = 1) -> Sides:
    """`3` or `3x5`, as many values as there are axes."""
    parts = text.split("x")
    if not all(re.fullmatch(_NUMBER, part) and int(part) >= smallest for part in parts):
        raise words.error(
            f"{text!r} should be a whole number of at least {smallest}, or several with an x between"
        )
    sides = tuple(map(int, parts))
    if len(sides) not in {1, axes}:
        raise words.error(f"{text!r} has {len(sides)} values for {axes} axes")
    return sides * axes if len(sides) == 1 else sides


def _padding(words: _Words, axes: int) -> Padding | None:
    if word := words.take("valid", "same"):
        return SAME if word == "same" else (0,) * axes
    if value := words.after("pad", "padding"):
        if value in {"valid", "same"}:
            return SAME if value == "same" else (0,) * axes
        return _sides(value, axes, words, smallest=0)
    return None


def _trimmings(words: _Words) -> tuple[bool, bool, Activation | None]:
    """Bias, batch normalisation and activation of a weight layer."""
    bias = words.take("nobias") is None
    batchnorm = words.take("batchnorm") is not None
    activation = words.take(*Activation)
    return bias, batchnorm, Activation(activation) if activation else None


def _activation(text: str, words: _Words) -> Activation:
    if text not in set(Activation):
        raise words.error(f"no activation is called {text!r}", f"there are {', '.join(Activation)}")
    return Activation(text)


def _number(text: str | None, words: _Words) -> float:
    if text is None or not re.fullmatch(r"\d{1,9}(?:\.\d{0,20})?(?:e-?\d{1,3})?|\.\d{1,20}", text):
        raise words.error(f"{text!r} is no number" if text else "a number is missing")
    value = float(text)
    if value > _LARGEST_NUMBER:
        raise words.error(f"{text} is too large", f"{_LARGEST_NUMBER:,} is the most")
    return value


def _probability(text: str | None, words: _Words) -> float:
    value = _number(text, words)
    if not 0 <= value < 1:
        raise words.error(f"{text} should be from 0 to below 1")
    return value


def _lrn(words: _Words) -> LocalResponseNorm:
    usual = LocalResponseNorm()
    size, alpha, beta, k = (words.after(name) for name in ("size", "alpha", "beta", "k"))
    return LocalResponseNorm(
        _positive(size, words) if size else usual.size,
        _number(alpha, words) if alpha else usual.alpha,
        _number(beta, words) if beta else usual.beta,
        _number(k, words) if k else usual.k,
        place=words.place,
    )


def _repeat(words: _Words, bodies: list[Steps], _: Activation | None) -> Steps:
    times = _positive(words.value() or "", words)
    if times * len(bodies[0]) > MAX_STEPS:
        raise words.error(f"more than {MAX_STEPS:,} layers")
    return bodies[0] * times


def _residual(words: _Words, bodies: list[Steps], activation: Activation | None) -> Steps:
    kind = words.take(*Shortcut)
    return (
        Residual(bodies[0], Shortcut(kind) if kind else Shortcut.IDENTITY, activation, place=words.place),
    )


def _branches(words: _Words, bodies: list[Steps], _: Activation | None) -> Steps:
    if len(bodies) < 2:  # noqa: PLR2004 - one way is no branching
        raise words.error("has only one way", "write branches { … | … }")
    return (Branches(tuple(bodies), place=words.place),)


def _auxiliary(words: _Words, bodies: list[Steps], _: Activation | None) -> Steps:
    return (Auxiliary(_number(words.value(), words), bodies[0], place=words.place),)

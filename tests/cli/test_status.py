"""What is shown while a command works: a spinner or a bar on a terminal, lines with seconds elsewhere."""

import contextlib
import io
import re
import sys

import pytest

from cnncli.cli import console, status
from cnncli.cli.console import Console
from cnncli.cli.progress import image_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines that are left, as far as they were not erased."""
        lines = [""]
        for part in re.split(r"(\x1b\[1A|\x1b\[2K|\r|\n)", self.getvalue()):
            if part == "\x1b[1A":
                lines.pop()
            elif part == "\x1b[2K":
                lines[-1] = ""
            elif part == "\n":
                lines.append("")
            elif part != "\r":
                lines[-1] += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part)
        return [line for line in lines if line.strip()]


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns in place of stderr; not a fixture, since pytest sets stderr between fixtures and test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_a_step_is_shown_until_it_ends_and_then_the_one_around_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    output = Console()
    with output.spinner("fine-tuning"):
        with output.activity("importing torch"):
            output.notice("a message")
            assert "importing torch" in terminal.screen()[-1]
        output.notice("another")
        assert terminal.screen()[:-1] == ["a message", "another"]
        assert "fine-tuning" in terminal.screen()[-1]
        with image_progress(output, lambda: 3, 0, is_hidden=False) as advance:
            advance()
            output.notice("third")
            assert "img/s" in terminal.screen()[-1]
    assert terminal.screen() == ["a message", "another", "third"]
    assert not status._lines


def test_data_on_the_terminal_is_not_mixed_with_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", terminal)
    with Console().spinner("predicting"):
        console.write_data("a.jpg\tant\n")
        console.write_data("b.jpg\tbee\n")
    assert terminal.screen() == ["a.jpg\tant", "b.jpg\tbee"]


def test_an_error_leaves_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Console().spinner("working"):
        raise KeyboardInterrupt
    assert terminal.screen() == []


@pytest.mark.parametrize("quiet", [True, False])
def test_nothing_is_drawn_if_quiet_or_where_the_cursor_cannot_move(
    monkeypatch: pytest.MonkeyPatch, *, quiet: bool
) -> None:
    terminal = open_terminal(monkeypatch)
    if not quiet:
        monkeypatch.setenv("TERM", "dumb")
    with Console(quiet=quiet).activity("working"):
        pass
    assert terminal.getvalue() == ""


def test_elsewhere_a_step_is_a_line_with_its_seconds_if_it_took_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Console().activity("quick"), Console().spinner("never"):
        pass
    monkeypatch.setattr(console, "_REPORTED_FROM", 0.0)
    with Console().activity("slow"):
        pass
    with pytest.raises(KeyError), Console().activity("failed"):
        raise KeyError
    assert re.fullmatch(r"slow: \d+\.\d s\n", capsys.readouterr().err)


def test_an_interrupt_that_was_swallowed_ends_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "interrupts", [2])
    with pytest.raises(KeyboardInterrupt), Console().spinner("next"):
        pytest.fail("the step runs")
    with (
        pytest.raises(KeyboardInterrupt),
        image_progress(Console(), lambda: 3, 0, is_hidden=True) as advance,
    ):
        advance()
    with pytest.raises(KeyError), contextlib.ExitStack() as stack:
        stack.callback(lambda: Console().activity("cleaning up").__enter__())
        raise KeyError  # what is cleaned up after an error is not interrupted

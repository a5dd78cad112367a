"""`cnncli predict --watch` names images as they arrive, until it is interrupted."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from cnncli.images import watch
from cnncli.images.watch import FolderWatch
from tests.conftest import Cnncli, press_ctrl_c

RED = Image.new("RGB", (8, 8), "red")


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    RED.save(tmp_path / "drop" / "old.png")
    return tmp_path / "drop"


def script(monkeypatch: pytest.MonkeyPatch, *steps: object) -> None:
    """Let one step happen whenever the watch waits, and then an interrupt; an image is complete at once."""
    waiting = iter((*steps, press_ctrl_c))
    monkeypatch.setattr(watch, "_QUIET", 0)
    start = FolderWatch.start

    def start_and_script(self: FolderWatch) -> None:
        start(self)
        monkeypatch.setattr(self._is_over, "wait", lambda _: next(waiting)())  # type: ignore[operator]

    monkeypatch.setattr(FolderWatch, "start", start_and_script)


def test_images_are_named_as_they_arrive(
    cnncli: Cnncli, drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.tsv"

    def second() -> None:
        assert "a.png\tred" in Path(f"{output}.part").read_text(), (
            "the first is written before the second arrives"
        )
        (drop / "b.png").write_text("broken")

    script(monkeypatch, lambda: RED.save(drop / "a.png"), second)
    result = cnncli("predict", "--watch", drop, "-o", output)
    assert [line.split("\t")[1] for line in output.read_text().splitlines()] == ["red", "-"]
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        f"watching {drop} for new images (Ctrl-C ends)",
        f"warning: {drop}/b.png: not an image, or too damaged to tell which kind",
        f"{output}: 2 records, 1 of 2 images could not be read",
    ]


def test_images_that_are_there_are_named_where_they_are_inputs(
    cnncli: Cnncli, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, lambda: RED.save(drop / "a.png"))
    result = cnncli("predict", drop, "--watch", drop)
    assert result.exit_code == 0
    assert [Path(line.split("\t")[0]).name for line in result.stdout.splitlines()] == ["old.png", "a.png"]


def test_nothing_has_arrived(cnncli: Cnncli, drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    result = cnncli("predict", "--watch", drop)
    assert (result.exit_code, result.stderr.splitlines()[1]) == (1, f"error: no image has arrived in {drop}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--watch", "absent"], "error: cannot watch absent: no such folder on this machine"),
        (["--watch", "s3://bucket/a/"], "error: cannot watch s3://bucket/a/: no such folder on this machine"),
        (["--watch", ".", "-o", "a.csv", "--resume"], "error: --resume does not work with --watch"),
        (["--watch", ".", "--parts", "p"], "error: --watch does not work with --parts"),
    ],
)
def test_what_cannot_be_watched(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cnncli("predict", *arguments)
    assert result.exit_code in {1, 2}
    assert result.stderr.splitlines()[0] == message


@pytest.mark.slow
def test_a_real_copy_and_a_real_interrupt(drop: Path) -> None:
    command = [sys.executable, "-m", "cnncli", "predict", "--watch", str(drop)]
    content = Path(drop / "old.png").read_bytes()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stdout
        assert process.stderr.readline().startswith("watching ")
        with (drop / "slow.png").open("wb") as stream:
            for byte in range(0, len(content), len(content) // 4):
                stream.write(content[byte : byte + len(content) // 4])
                stream.flush()
                time.sleep(0.9)
        assert process.stdout.readline().split("\t")[1] == "red"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0

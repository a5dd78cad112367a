"""What one image file, and a folder of huge ones, may cost."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from cnncli.images import convert, decode, guarded_stream
from cnncli.images.decode import Decoding
from cnncli.images.in_memory import InMemory
from cnncli.images.memory import MemoryBudget
from cnncli.records.predictions import Unreadable
from tests.conftest import ROOT


def encoded(image: Image.Image, kind: str, **options: object) -> InMemory:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return InMemory(f"a.{kind.lower()}", file.getvalue())


def test_a_header_followed_by_zeros_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_stream, "_MAX_SMALL_READS", 1000)
    jpeg = encoded(Image.new("RGB", (300, 300)), "JPEG")
    for data in (jpeg.data[:20] + bytes(5000), b"P6\n#" + b"x" * 5000, b"GIF89a" + bytes(7) + b"x" * 5000):
        start = time.process_time()
        result = decode.decode(InMemory("a.jpg", data), Decoding())
        assert isinstance(result, Unreadable)
        assert time.process_time() - start < 1
    damaged = decode.decode(InMemory("a.jpg", jpeg.data[:20] + bytes(5000)), Decoding())
    assert damaged == Unreadable("a.jpg", "damaged: its header is followed by junk")


def deep(mode: str) -> Image.Image:
    values = np.linspace(-7, 70_000, 40 * 30).reshape(30, 40)
    if mode == "F":
        values[3, 4], values[5, 6] = np.nan, np.inf
        return Image.fromarray(values.astype(np.float32))
    return Image.fromarray(np.clip(values, 0, 65_535).astype(np.int32 if mode == "I" else np.uint16))


IMAGES = {
    "I": (deep("I"), "TIFF", {}),
    "F": (deep("F"), "TIFF", {}),
    "I;16": (deep("I;16"), "PNG", {}),
    "a transparent grey": (Image.linear_gradient("L").resize((40, 30)), "PNG", {"transparency": 7}),
    "a transparent colour": (Image.new("RGB", (40, 30), (1, 2, 3)), "PNG", {"transparency": (1, 2, 3)}),
    "RGBA": (Image.merge("RGBA", [Image.linear_gradient("L").resize((40, 30))] * 4), "PNG", {}),
    "LA": (Image.merge("LA", [Image.linear_gradient("L").resize((40, 30))] * 2), "PNG", {}),
    "P": (Image.linear_gradient("L").resize((40, 30)).quantize(9), "PNG", {"transparency": b"\0\x40\xff"}),
    "GIF": (Image.linear_gradient("L").resize((40, 30)).quantize(9), "GIF", {"transparency": 3}),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_strips_change_no_pixel(monkeypatch: pytest.MonkeyPatch, name: str, channels: int) -> None:
    image, kind, options = IMAGES[name]
    source = encoded(image, kind, **cast("dict[str, object]", options))
    whole = decode.decode(source, Decoding(channels))
    monkeypatch.setattr(convert, "_STRIP", 100)
    strips = decode.decode(source, Decoding(channels))
    assert isinstance(whole, Image.Image)
    assert isinstance(strips, Image.Image)
    assert (strips.mode, strips.size, strips.tobytes()) == (whole.mode, whole.size, whole.tobytes())


def test_large_images_wait_for_each_other_and_small_ones_do_not() -> None:
    budget, used, peak, lock = MemoryBudget(100), 0, 0, threading.Lock()

    def work(size: int) -> None:
        nonlocal used, peak
        with budget.reserve(size):
            with lock:
                used += size
                peak = max(peak, used)
            time.sleep(0.002)
            with lock:
                used -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in [60, 10, 60, 100, 10, 60, 30] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not used
    assert 60 < peak <= 100
    with budget.reserve(1000):  # alone, anything is allowed
        pass


def test_an_error_gives_the_memory_back() -> None:
    budget = MemoryBudget(10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), budget.reserve(10):
            raise ZeroDivisionError
    with budget.reserve(10):
        pass


MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "cnncli", *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6)
"""


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_a_folder_of_huge_images_takes_the_memory_of_one(tmp_path: Path) -> None:
    """13,000 x 13,000 pixels each: 4.9 GB for the first alone, and 7 GB for several, before they were limited."""
    side = (13_000, 13_000)
    Image.new("F", side).save(tmp_path / "f0.tif", compression="tiff_deflate")
    Image.new("RGBA", side, (1, 2, 3, 4)).save(tmp_path / "a0.png", compress_level=1)
    Image.new("RGB", side, "red").save(tmp_path / "p0.jpg", progressive=True)
    for file in list(tmp_path.iterdir()):
        for number in "12":
            os.link(file, tmp_path / file.name.replace("0", number))
    line = ["predict", str(tmp_path), "-m", "pocket", "-j", "8", "-f", "tsv"]
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *line], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert float(result.stdout) < 2.5

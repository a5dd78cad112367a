"""Hostile inputs: pipes, devices, bombs, broken files, odd names, and documents that are wrong in one way each."""

import functools
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

ODD_NAMES = (
    b"\x1b]0;title\x07\x1b[31m.png",
    b"new\nline.png",
    b"carriage\r\nreturn.png",
    b"not utf-8 \xff\xfe.png",
    b"=cmd|' \\C calc'!A0.png",
    b"tab\t\"quote',.png",
    b"c1 \xc2\x9b31m.png",
    b"right to left \xe2\x80\xae.png",
    b"-q.png",
    b"%FF.png",
    b"[a-.png",
)
"""File names that terminals, shells, tables and globs may mistake for something else."""

NETWORK = "input 3x12x12; activation: relu; conv3-4; FC-3"

SPARSE, BOMB = 4 << 30, 2047 << 20
"""Bytes of the sparse files, and of what bombs inflate to."""


def write_precious(folder: Path) -> None:
    """Write what the links lead to."""
    (folder / "nothing").mkdir(parents=True)
    (folder / "diary.txt").write_text("dear diary")


def write_data(folder: Path, precious: Path) -> None:
    """Write two classes with sound and hostile images."""
    for colour in ("red", "blue"):
        write_images(folder / colour, precious, with_large=colour == "red")
        for number in range(4):
            Image.new("RGB", (12, 12 + number), colour).save(folder / colour / f"{number}.png")


def write_sound(root: Path, colours: Path) -> None:
    """Write what is sound: a model folder, an image, a small data set."""
    shutil.copytree(colours, root / "colours")
    Image.new("RGB", (12, 12), "red").save(root / "good.png")
    for colour in ("red", "blue"):
        (root / "small" / colour).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (12, 12 + number), colour).save(root / "small" / colour / f"{number}.png")


def write_sparse(file: Path, start: bytes = b"", size: int = SPARSE) -> None:
    """Write a file that is long, but takes no space."""
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(size)


# ---- images


def write_images(folder: Path, precious: Path, *, with_large: bool = True) -> None:
    """Write images, and what only looks like images; some are large once they are decoded."""
    folder.mkdir(parents=True)
    buffer = io.BytesIO()
    Image.new("RGB", (12, 12), "red").save(buffer, "PNG")
    good = buffer.getvalue()
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(good)
    (folder / "zeros.jpg").symlink_to("/dev/zero")
    (folder / "kmsg.jpg").symlink_to("/proc/kmsg")
    (folder / "nowhere.jpg").symlink_to(precious / "nowhere")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "itself").symlink_to(".")
    (folder / "diary.jpg").symlink_to(precious / "diary.txt")
    (folder / "folder.jpg").mkdir()
    write_sparse(folder / "sparse.jpg")
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    if with_large:
        _write_large(folder, good)
        write_sparse(folder / "preallocated.jpg", jpeg[: len(jpeg) // 2], 30 << 20)
    (folder / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "half.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.gif").touch()
    (folder / "huge.png").write_bytes(_png(2**31 - 1, 2**31 - 1, b""))
    (folder / "picture.svg.png").write_text(
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>'
    )
    (folder / "postscript.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n")
    os.mkfifo(folder / "pipe.jpg")
    _write_index(folder, precious)


def _write_large(folder: Path, good: bytes) -> None:
    (folder / "bomb.png").write_bytes(_png(6_000, 6_000, _deflate_zeros(6_001 * 6_000)))
    (folder / "comment.png").write_bytes(
        good[:33] + _chunk(b"zTXt", b"a\0\0" + _deflate_zeros(1 << 26)) + good[33:]
    )
    Image.new("I", (3_000, 3_000)).save(folder / "large.tif", compression="tiff_deflate")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, packed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@functools.cache
def _deflate_zeros(size: int) -> bytes:
    packer, block = zlib.compressobj(1), bytes(1 << 20)
    parts = [packer.compress(block[: size - start]) for start in range(0, size, len(block))]
    return b"".join(parts) + packer.flush()


def _write_index(folder: Path, precious: Path) -> None:
    """An index as early versions kept it in the folder, whose files are links."""
    index = folder / ".cnncli"
    index.mkdir()
    (index / "x.vectors").symlink_to(precious / "diary.txt")
    (index / "x.lock").symlink_to(precious / "created.lock")
    (index / "x.json").write_text('{"vectors": "x.vectors", "width": 1e999, "files": []}')


# ---- lists


def write_lists(folder: Path, root: Path) -> None:
    """Write lists of images and of paths, settings, class names."""
    folder.mkdir(parents=True)
    image, rows = root / "good.png", f"{root}/good.png,red\n{root}/data/blue/0.png,blue\n" * 4
    texts: dict[str, str | bytes] = {
        "bom": b"\xef\xbb\xbf" + f"path,label\n{rows}".encode(),
        "utf16": f"path,label\n{rows}".encode("utf-16"),
        "half utf16": f"path,label\n{rows}".encode("utf-16")[:-1],
        "unclosed quote": f'path,label\n{rows}{image},"red\n{rows}',
        "extra cells": f"path,label\n{rows}{image},red,green,blue\n",
        "few cells": f"path,label\n{rows}{image}\n",
        "line end in a label": f'path,label\n{rows}{image},"red\nhot"\n',
        "escape in a label": f"path,label\n{rows}{image},\x1b[31mred\x07\n",
        "long line": f"path,label\n{image},{'r' * 2_000_000}\n",
        "long name": f"path,label\n{'x' * 70_000}.png,red\n",
        "nul": f"path,label\n{image}\0,red\n",
        "devices": f"path,label\n/dev/zero,red\n/proc/kmsg,blue\n{root}/images/pipe.jpg,red\n",
        "itself": f"path,label\n{folder}/itself,red\n{folder},blue\n",
        "columns": f"path,path,label\n{image},{image},red\n",
        "numbers": f"path,label\n{image},1e999\n{image},nan\n",
        "binary": bytes(range(256)) * 40,
        "empty": b"",
        "line ends": "\r\n\r\n\r\r",
        "settings": 'epochs = "many"\nlr = inf\nseed = -1\n',
        "other settings": 'schema = 99\n[["a"]]\nx = 1\n',
        "deep settings": "a = " + "[" * 50_000,
        "escape in settings": 'data = "\\u001b[31m"\nno_such_option_\\u001b = 1\n',
        "classes": "red\nred\n\x1b[31m\n",
        "map": "data,model\nred,blue\nred,green\n",
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    write_sparse(folder / "sparse")
    (folder / "zeros").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")


def write_kernels(folder: Path) -> None:
    """Write files for `convolve --kernel`."""
    folder.mkdir(parents=True)
    texts = {
        "ragged": "1 2\n3\n",
        "infinite": "1e999 nan\n",
        "long": "9" * 5_000,
        "words": "\x1b[31mred\n",
        "wide": "1 " * 200_000,
        "fraction": "1/0",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "zeros").symlink_to("/dev/zero")
    write_sparse(folder / "sparse")
    os.mkfifo(folder / "pipe")


# ---- weights


class _Runs:
    """Unpickling it would create a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.system, (f"touch '{self.file}'",)


def write_weights(folder: Path) -> None:
    """Write files for `--weights`."""
    folder.mkdir(parents=True)
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}).encode()
    files = {
        "header.safetensors": b"\xff" * 7 + b"\x7f{",
        "offsets.safetensors": len(header).to_bytes(8, "little") + header,
        "runs.pt": pickle.dumps(_Runs(folder / "ran")),
        "text.pt": b"not a checkpoint",
        "empty.pt": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    torch.save({"state_dict": {"\x1b[31mweight": torch.full((2, 2), torch.nan)}}, folder / "names.pt")
    torch.save({"a": torch.zeros(1).expand(1 << 30)}, folder / "expanded.pt")
    torch.save({"a": torch.ones(4).to_sparse()}, folder / "sparse tensor.pt")
    _write_bomb(folder / "bomb.pt", folder / "expanded.pt")
    write_sparse(folder / "sparse.pt")
    write_sparse(folder / "sparse.safetensors", size=1 << 28)  # is read once, for its digest
    (folder / "zeros.pt").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.pt")


def _write_bomb(file: Path, sound: Path) -> None:
    """A checkpoint whose one tensor inflates to 2 GB."""
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if "/data/" not in entry.filename:
                target.writestr(entry, source.read(entry))
                continue
            with target.open(entry.filename, "w") as stream:
                _write_zeros(stream)


def _write_zeros(stream: IO[bytes], size: int = BOMB) -> None:
    """Write zeros to a member of a zip archive, each block packed as the first one is, since packing takes long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    stream._compressor = SimpleNamespace(compress=lambda _: packed, flush=packer.flush)  # type: ignore[attr-defined]
    for _ in range(size // len(block)):
        stream.write(block)


# ---- embeddings


def write_features(folder: Path, sound: Path) -> None:
    """Write files for `similar --in`; `sound` is one that `features` wrote."""
    folder.mkdir(parents=True)
    with np.load(sound) as content:
        arrays = dict(content)
    changes: dict[str, Mapping[str, Any]] = {
        "objects": {"paths": np.array([_Runs(folder / "ran")], object)},
        "a list": {"identity": np.array("[1]")},
        "infinite": {"identity": np.array('{"model": 1e999}')},
        "deep": {"identity": np.array("[" * 100_000)},
        "escape": {"identity": np.array('{"model": "\\u001b[31m"}')},
        "numbers": {"paths": np.zeros(2)},
        "rows": {"embeddings": np.zeros((9, 3), np.float32)},
        "width": {"embeddings": np.zeros((len(arrays["paths"]), 1), np.float32)},
        "nan": {"embeddings": np.full_like(arrays["embeddings"], np.nan)},
        "row numbers": {"encoded": np.array([10**9, -(10**9)])},
    }
    for name, change in changes.items():
        np.savez(folder / f"{name}.npz", **(arrays | dict(change)))
    (folder / "lacks.npz").write_bytes(_npz({"identity": _npy((), "<U2", b"{\0\0\0}\0\0\0")}))
    (folder / "shape.npz").write_bytes(_npz({"embeddings": _npy((1 << 40, 1 << 20), "<f4", b"")}, arrays))
    (folder / "bomb.npz").write_bytes(
        _npz({"embeddings": _npy((1 << 20, 1 << 10), "<f4", b"")}, arrays, BOMB)
    )
    (folder / "identity bomb.npz").write_bytes(
        _npz({"identity": _npy((), f"<U{1 << 30}", b"")}, arrays, BOMB)
    )
    (folder / "text.npz").write_text("not an archive")
    (folder / "half.npz").write_bytes(sound.read_bytes()[:-30])
    packed = bytearray(_npz({"identity": _npy((), "<U99", bytes(396))}, arrays))
    packed[packed.index(b"identity.npy") + 40] ^= 0xFF
    (folder / "deflated.npz").write_bytes(packed)
    write_sparse(folder / "sparse.npz")
    (folder / "zeros.npz").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.npz")


def _npy(shape: tuple[int, ...], kind: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def _npz(members: Mapping[str, bytes], sound: Mapping[str, NDArray[Any]] = {}, zeros: int = 0) -> bytes:
    """An NPZ with these raw members, each followed by zeros, and the other arrays of a sound one."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, array in sound.items():
            if name not in members:
                buffer = io.BytesIO()
                np.save(buffer, array)
                target.writestr(f"{name}.npy", buffer.getvalue())
        for name, content in members.items():
            with target.open(f"{name}.npy", "w", force_zip64=True) as stream:
                stream.write(content)
                if zeros:
                    _write_zeros(stream, zeros)
    return archive.getvalue()

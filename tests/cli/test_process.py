"""The program as a real process: pipes, signals, terminals, and what it does not import."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from cnncli.networks.card import SCHEMA
from tests.conftest import Program, slow_cases

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes and signals")


@pytest.fixture(autouse=True)
def default_model(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """1,000 images, each large enough to keep a run going for a while."""
    folder = tmp_path / "many"
    folder.mkdir()
    Image.effect_noise((300, 300), 90).convert("RGB").save(folder / "0000.png")
    for number in range(1, 1000):
        os.link(folder / "0000.png", folder / f"{number:04}.png")
    (folder / "0003.png").unlink()
    (folder / "0003.png").write_bytes(b"broken")
    return folder


def start(*arguments: str | Path, **options: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "cnncli", *map(str, arguments)]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]


def test_predicting_imports_no_torch(program: Program, photos: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    for package in ("torch", "torchvision", "timm", "onnx", "safetensors", "huggingface_hub"):
        (blocked / package).mkdir(parents=True)
        (blocked / package / "__init__.py").write_text("raise ImportError('blocked by a test')")
    result = program(
        "predict", photos, "-k", "2", "--tta", "--sheet", tmp_path / "s.png", PYTHONPATH=str(blocked)
    )
    assert result.returncode == 3
    assert result.stdout.count(b"\n") == 4
    assert b"blocked" not in result.stderr


def test_without_torch_an_unprepared_network_says_what_is_needed(program: Program, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    (tmp_path / "timm.py").write_text("import torch")
    result = program("predict", "x.jpg", "-m", "resnet18", "--no-pretrained", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert (
        b"error: preparing resnet18 needs the package torch, which is not installed\nhint: " in result.stderr
    )
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
def test_a_missing_exporter_is_not_reported_as_a_fault_of_the_network(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "onnxscript.py").write_text("raise ModuleNotFoundError('none', name='onnxscript')")
    environment = {"PYTHONPATH": str(tmp_path), "CNNCLI_HOME": str(tmp_path / "home")}
    result = program("predict", "x.jpg", "-m", "test_vit", "--no-pretrained", **environment)
    assert result.returncode == 1
    assert b"error: preparing test_vit needs the package onnxscript" in result.stderr
    assert not list((tmp_path / "home" / f"models-{SCHEMA}").iterdir())


@pytest.mark.slow
def test_names_that_are_not_utf8(program: Program, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/100% caf\xe9\n.png"
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.png")
    os.rename(os.fsencode(tmp_path / "x.png"), name)
    for locale in ("C", "C.UTF-8"):
        tsv = program("predict", tmp_path, LC_ALL=locale, PYTHONUTF8="0")
        assert tsv.stdout == os.fsencode(tmp_path) + b"/100%25 caf%E9\\n.png\tred\t0.964663\n"
        document = json.loads(program("predict", tmp_path, "-f", "jsonl", LC_ALL=locale).stdout)
        assert document["path_encoding"] == "percent"
        listed = program("predict", "--files-from", "-", "-0", stdin=name, LC_ALL=locale)
        assert listed.stdout == tsv.stdout
        by_argument = subprocess.run(
            [sys.executable, "-m", "cnncli", "predict", name], capture_output=True, check=False
        )
        assert by_argument.stdout == tsv.stdout


def test_paths_with_leading_dashes(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "-x.png")
    command = [sys.executable, "-m", "cnncli", "predict", "--", "-x.png"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert result.stdout.startswith(b"-x.png\tred")


@posix_only
def test_a_closed_pipe_ends_quietly(many: Path) -> None:
    with start("predict", many, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        process.stdout.close()
        talk = process.stderr.read()
        assert process.wait(timeout=30) == 0
    assert first.startswith(os.fsencode(many / "0000.png"))
    assert talk == b"" or talk.startswith(b"warning: ")
    assert b"Traceback" not in talk
    assert b"Broken" not in talk


def size_of(file: Path) -> int:
    """Bytes; none where there is no such file (any more)."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@posix_only
def test_ctrl_c_ends_at_once_and_says_how_to_resume(many: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.tsv"
    with start("predict", many, "-o", output, stderr=subprocess.PIPE) as process:
        part = Path(f"{output}.part")
        while not part.exists() or part.read_bytes().count(b"\n") < 2:  # one may not be counted yet
            assert process.poll() is None
            time.sleep(0.005)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr
        talk = process.stderr.read().decode()
        assert process.wait() == 130
    assert time.monotonic() - pressed < 20
    assert "Traceback" not in talk
    assert "--resume continues" in talk
    assert not output.exists()


@posix_only
@pytest.mark.parametrize("format_", slow_cases(["tsv", "csv", "jsonl"], ["tsv"]))
def test_repeated_kills_and_resumes_give_every_input_once_in_order(
    many: Path, tmp_path: Path, format_: str
) -> None:
    output = tmp_path / f"o.{format_}"
    part = Path(f"{output}.part")
    whole = tmp_path / f"whole.{format_}"
    arguments = ["predict", str(many), "-q", "-k", "2"]
    assert start(*arguments, "-o", whole).wait() == 3
    kills, step = 0, whole.stat().st_size // 4
    while True:
        before = size_of(part)
        with start(*arguments, "-o", output, "--resume") as process:
            while process.poll() is None and size_of(part) <= before + step:
                time.sleep(0.005)
            if process.returncode is not None:
                assert process.returncode == 3
                break
            process.kill()
        kills += 1
    assert kills >= 2
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.slow
@posix_only
def test_full_and_closed_output_streams(photos: Path) -> None:
    def run(redirection: str) -> "subprocess.CompletedProcess[str]":
        command = f"{sys.executable} -m cnncli predict '{photos}/c.bmp' {redirection}"
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    full, closed = run("> /dev/full"), run(">&-")
    assert (full.returncode, full.stderr) == (
        1,
        "error: cannot write to standard output: No space left on device\n",
    )
    assert (closed.returncode, closed.stderr) == (1, "error: cannot write to standard output: it is closed\n")
    for option in ("--help", "--version"):
        texts = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m cnncli {option} > /dev/full"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (texts.returncode, texts.stderr) == (full.returncode, full.stderr)
    deaf = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m cnncli predict nowhere.jpg '{photos}/c.bmp' -v 2> /dev/full"],
        capture_output=True,
        check=False,
    )
    assert deaf.returncode == 3
    for option in ("--help", "--version"):
        left = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m cnncli {option} | true; exit ${{PIPESTATUS[0]}}"],
            check=False,
        )
        assert left.returncode == 0
    assert run("2>&-").stdout.startswith(f"{photos}/c.bmp\tgreen")
    assert run("- <&-").returncode == 3


@posix_only
def test_records_appear_while_a_list_is_still_being_read(photos: Path) -> None:
    with start("predict", "--files-from", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for name in ("a red.png", "c.bmp"):
            process.stdin.write(f"{photos}/{name}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{photos}/{name}\t".encode())
        process.stdin.close()
        assert process.wait() == 0


@posix_only
def test_shell_pipelines(photos: Path) -> None:
    cnncli = f"{sys.executable} -m cnncli"
    counted = shell(
        f"find '{photos}' -type f | sort | {cnncli} predict --files-from - -q | cut -f2 | sort | uniq -c | sort -rn"
    )
    assert sorted(line.split() for line in counted.splitlines()) == [
        ["1", "blue"],
        ["1", "green"],
        ["1", "red"],
        ["2", "-"],
    ]
    pretty = shell(f"cat '{photos}/c.bmp' | {cnncli} predict - -f json | {sys.executable} -m json.tool")
    assert json.loads(pretty)[0]["predictions"][0]["label"] == "green"
    assert shell(f"{cnncli} predict '{photos}' -q | head -1").startswith(f"{photos}/a red.png\tred")


def shell(command: str) -> str:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.shared
@posix_only
def test_messages_from_libraries_are_hidden(program: Program, shared: Path) -> None:
    """libtiff writes to descriptor 2, Pillow logs; both must not reach the user."""
    odd = shared / "data" / "odd-images"
    noisy = [*odd.glob("crash-*.tif"), *odd.glob("oom-*.tif")]
    assert len(noisy) >= 2
    result = program("predict", *noisy, "-f", "csv")
    assert result.stderr.decode().splitlines() == [f"{len(noisy)} of {len(noisy)} images could not be read"]
    assert len(program("predict", *noisy, "-f", "csv", CNNCLI_DEBUG="1").stderr) > len(result.stderr)


@pytest.mark.slow
@posix_only
def test_on_a_terminal_output_is_a_coloured_table(photos: Path) -> None:
    text = on_a_terminal("predict", str(photos / "c.bmp"))
    assert "\x1b[1" in text
    assert "green" in text
    assert "█" in text
    assert "\x1b[" not in on_a_terminal("predict", str(photos / "c.bmp"), NO_COLOR="1", TERM="dumb")


@pytest.mark.slow
@posix_only
def test_progress_bars_appear_on_terminals_only_and_are_erased(many: Path, tmp_path: Path) -> None:
    text = on_a_terminal("predict", str(many), "-o", str(tmp_path / "o.tsv"))
    assert "img/s" in text
    assert "1,000 records" in text
    assert "img/s" not in text.rpartition("\x1b[2K")[2]


@posix_only
def test_counting_inputs_does_not_consume_a_pipe(photos: Path, tmp_path: Path) -> None:
    """A pipe as `--files-from <(find …)` makes one."""
    (tmp_path / "list").write_text("".join(f"{photos}/c.bmp\n" for _ in range(300)))
    arguments = f"predict --files-from <(cat '{tmp_path}/list') -o '{tmp_path}/o.tsv'"
    text = on_a_terminal(command=["bash", "-c", f"{sys.executable} -m cnncli {arguments}"])
    assert "300 records" in text


def on_a_terminal(*arguments: str, command: Sequence[str] = (), **environment: str) -> str:
    """What a terminal of 100 columns receives."""
    import pty

    master, slave = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    variables |= {"TERM": "xterm-256color", "LINES": "40", "COLUMNS": "100"} | environment
    process = subprocess.Popen(
        command or [sys.executable, "-m", "cnncli", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=variables,
    )
    os.close(slave)
    received = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        received += chunk
    process.wait()
    os.close(master)
    return received.decode()


def test_a_model_folder_works_wherever_it_is_copied(
    program: Program, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere" / "net"
    shutil.copytree(tiny, copy)
    here = program("predict", photos / "c.bmp", "-m", tiny, "-f", "json")
    there = program("predict", photos / "c.bmp", "-m", copy, "-f", "json", CNNCLI_HOME=str(tmp_path / "none"))
    assert here.returncode == there.returncode == 0
    assert here.stdout == there.stdout


def test_the_exit_clears_no_modules(program: Program, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, builtins, threading\n"
        "class Slow:\n"
        "    def __del__(self): print('cleared', flush=True)\n"
        "def work():\n"
        "    threading.main_thread().join()\n"
        "    print('thread', flush=True)\n"
        "builtins.slow = Slow()\n"
        "atexit.register(print, 'handler')\n"
        "threading.Thread(target=work).start()\n"
    )
    result = program("--version", PYTHONPATH=str(tmp_path))
    assert result.stdout.split(b"\n")[1:] == [b"thread", b"handler", b""]

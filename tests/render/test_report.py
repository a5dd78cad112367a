"""The report: harmless whatever things are called, small whatever there is to tell, and alive in a browser."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from cnncli.evaluation import reporting
from cnncli.evaluation.comparison import compare
from cnncli.evaluation.measures import EvaluationContext, evaluation
from cnncli.evaluation.scoring import answers_of
from cnncli.images.local_file import LocalFile
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.evaluation import Evaluation
from cnncli.records.report import Report, TrainingSummary
from cnncli.records.training import Epoch
from cnncli.render.report import report_html

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

EVIL = "<img src=x onerror=\"document.title='taken over'\">"
SCRIPT = "</script><script>document.title='taken over'</script>"


def judged(names: tuple[str, ...], images: int, paths: list[str] | None = None) -> Evaluation:
    """Answers by chance, more often right than not."""
    draws = np.random.default_rng(0)
    labels = draws.integers(0, len(names), images)
    logits = draws.normal(0, 1, (images, len(names)))
    logits[np.arange(images), labels] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    paths = paths or [f"{names[label]}/{number}.jpg" for number, label in enumerate(labels)]
    samples = [
        Sample(LocalFile(path), int(label), Split.VAL) for path, label in zip(paths, labels, strict=True)
    ]
    answers = list(answers_of(samples, probabilities.astype(np.float32), str))
    return evaluation(EvaluationContext("net", "data", "val", "held out", names), answers, [])


def report(result: Evaluation, root: str = "/nowhere", **more: Any) -> Report:
    data = DataSet("data", root, result.class_names, ())
    values: dict[str, Any] = {
        "title": "net on data",
        "facts": (("network", "net"),),
        "evaluation": result,
        "test": None,
        "data": reporting.data_facts(data, {}),
        "training": None,
        "comparison": None,
        "settings": (("seed", "0"),),
        "versions": (("cnncli", "0"),),
        "pictures": reporting.pictures(result, root, 10**8),
    }
    return Report(**values | more)


def epochs() -> tuple[Epoch, ...]:
    return tuple(Epoch(n, 1e-3, 1 / n, 1 - 1 / n, 1.2 / n, 1 - 1.1 / (n + 1), 2.0, 50.0) for n in (1, 2, 3))


@pytest.mark.slow
def test_a_large_report_stays_small(tmp_path: Path) -> None:
    """10,000 photographs of 200 classes: below 10 MB."""
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 256, (160, 160, 3), np.uint8)).save(tmp_path / "noise.jpg", quality=95)
    names = tuple(f"a class with a rather long name, number {number}" for number in range(200))
    result = judged(names, 10_000)
    noise = reporting._thumbnail(str(tmp_path / "noise.jpg"), 10**8)  # nothing is harder to compress
    assert noise
    shown = reporting._choose_images(result)
    assert len(shown) == reporting._PICTURES
    page = report_html(report(result, pictures={answer.path: noise for answer in shown}))
    assert len(page) < 10e6


def test_names_are_escaped() -> None:
    result = judged((EVIL, SCRIPT, "plain"), 60)
    page = report_html(
        report(result, title=EVIL, facts=((EVIL, SCRIPT),), comparison=compare(result, result))
    )
    assert "<img src=x" not in page
    assert page.count("<script") == 2
    assert page.count("</script>") == 2


def test_every_section_is_present() -> None:
    result = judged(("a", "b"), 30)
    summary = TrainingSummary(epochs(), 0.5, (), None, "epoch 3 of 3 was the best on val")
    page = report_html(report(result, training=summary, test=result))
    for words in ("Chosen: epoch 3 of 3", "training curves", "top-1 on test", "reliability diagram"):
        assert words in page
    assert "top-5" not in page  # of two classes both are among the first five


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator["WebDriver"]:
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A report over real files, in which two class names try to inject code."""
    names = ("ants", EVIL, SCRIPT, "bees")
    draws = np.random.default_rng(1)
    paths = []
    for number in range(80):
        path = f"{number} <b>&amp; {EVIL[:12]}.png".replace("/", "")
        Image.fromarray(draws.integers(0, 256, (40, 60, 3), np.uint8)).save(tmp_path / path)
        paths.append(path)
    result = judged(names, 80, paths)
    file = tmp_path / "report.html"
    summary = TrainingSummary(epochs(), 0.6, (), None, "the best")
    file.write_text(
        report_html(report(result, str(tmp_path), training=summary, comparison=compare(result, result)))
    )
    return file


@pytest.mark.slow
def test_it_works_in_a_browser(browser: "WebDriver", page: Path) -> None:
    """Loads without a complaint, sorts, shows a cell's images, can be used by keyboard; nothing that is named runs."""
    browser.get(page.as_uri())
    time.sleep(0.5)  # what names could start would have started
    assert browser.title == "net on data"
    cells = browser.find_elements("css selector", "#matrix tbody button")
    total = browser.execute_script(
        "return [...document.querySelectorAll('#matrix button')].reduce((s, b) => s + Number(b.textContent), 0)"
    )
    assert total == 80
    wrong = next(
        cell for cell in cells if cell.find_element("xpath", "..").get_attribute("class") != "correct"
    )
    count = int(wrong.text)
    wrong.click()
    shown = browser.find_elements("css selector", "#cell li")
    assert len(shown) == count
    pictures = browser.find_elements("css selector", "#cell img")
    assert len(pictures) == count
    assert all(browser.execute_script("return arguments[0].naturalWidth", picture) for picture in pictures)
    assert wrong.get_attribute("aria-pressed") == "true"
    assert f"{count} image" in browser.find_element("css selector", "#cell h3").text

    wrong.send_keys("\ue014")  # to the right, if there is something
    assert browser.execute_script("return document.activeElement.tagName") == "BUTTON"

    column = browser.find_element("css selector", "#classes thead th:nth-child(3) button")
    for expected in ("descending", "ascending"):
        column.click()
        values = [
            float(cell.text.rstrip(" %"))
            for cell in browser.find_elements("css selector", "#classes tbody td:nth-child(3)")
        ]
        assert values == sorted(values, reverse=expected == "descending")
        header = browser.find_element("css selector", "#classes thead th:nth-child(3)")
        assert header.get_attribute("aria-sort") == expected

    names = [cell.text for cell in browser.find_elements("css selector", "#matrix tbody th")]
    browser.execute_script(
        "const o = document.getElementById('order'); o.value = 'mistakes'; o.dispatchEvent(new Event('change'))"
    )
    again = [cell.text for cell in browser.find_elements("css selector", "#matrix tbody th")]
    assert sorted(again) == sorted(names)
    assert len(names) == 4

    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    assert browser.title == "net on data"
    log = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[attr-defined]
    assert log == []
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
    )
    assert loaded == 0


@pytest.mark.slow
def test_it_fits_a_phone_screen(browser: "WebDriver", page: Path) -> None:
    browser.set_window_size(500, 900)  # Chromium's narrowest
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.set_window_size(1200, 900)

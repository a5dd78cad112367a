"""The report: harmless whatever things are called, small whatever there is to tell, and alive in a browser."""

import html
import re
import time
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
from cnncli.render.report_comparison import PICTURED_CHANGES

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

EVIL = "<img src=x onerror=\"document.title='taken over'\">"
SCRIPT = "</script><script>document.title='taken over'</script>"


def judged(
    names: tuple[str, ...], images: int, paths: list[str] | None = None, model: str = "net", seed: int = 0
) -> Evaluation:
    """Answers by chance, more often right than not; another seed answers otherwise on the same images."""
    labels = np.random.default_rng(0).integers(0, len(names), images)
    draws = np.random.default_rng(seed)
    logits = draws.normal(0, 1, (images, len(names)))
    logits[np.arange(images), labels] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    paths = paths or [f"{names[label]}/{number}.jpg" for number, label in enumerate(labels)]
    samples = [
        Sample(LocalFile(path), int(label), Split.VAL) for path, label in zip(paths, labels, strict=True)
    ]
    answers = list(answers_of(samples, probabilities.astype(np.float32), str))
    return evaluation(EvaluationContext(model, "data", "val", "held out", names), answers, [])


def report(result: Evaluation, root: str = "/nowhere", **more: Any) -> Report:
    """A report on an evaluation, of its comparison if there is one in `more`."""
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
        "pictures": reporting.pictures(result, more.get("comparison"), root, 10**8),
    }
    return Report(**values | more)


def epochs() -> tuple[Epoch, ...]:
    return tuple(Epoch(n, 1e-3, 1 / n, 1 - 1 / n, 1.2 / n, 1 - 1.1 / (n + 1), 2.0, 50.0) for n in (1, 2, 3))


@pytest.mark.slow
def test_a_large_report_stays_small(tmp_path: Path) -> None:
    """Two networks on 1,500 photographs of 200 classes: below 10 MB."""
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 256, (160, 160, 3), np.uint8)).save(tmp_path / "noise.jpg", quality=95)
    names = tuple(f"a class with a rather long name, number {number}" for number in range(200))
    result = judged(names, 1_500)
    comparison = compare(result, judged(names, 1_500, model="other", seed=1))
    noise = reporting._thumbnail(str(tmp_path / "noise.jpg"), 10**8)  # nothing is harder to compress
    assert noise
    shown = reporting._choose_images(result, comparison)
    assert len(shown) == reporting._PICTURES
    page = report_html(report(result, pictures=dict.fromkeys(shown, noise), comparison=comparison))
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
    for words in (
        "Chosen: epoch 3 of 3",
        'aria-label="learning rate"',
        "top-1 on test",
        "reliability diagram",
    ):
        assert words in page
    assert "top-5" not in page  # of two classes both are among the first five


def text_of(page: str) -> str:
    """What a browser shows of a page, outside its charts."""
    for element in ("style", "script", "svg"):
        page = re.sub(f"<{element}.*?</{element}>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub("<[^>]*>", "", page))


def test_a_percentage_stays_on_one_line_and_no_markup_is_shown() -> None:
    result = judged(("a", "b"), 30)
    text = text_of(report_html(report(result, comparison=compare(result, judged(("a", "b"), 30, seed=1)))))
    assert "95\u00a0%" in text
    assert not re.search(r"\d %", text)
    assert "`" not in text


def test_bars_end_before_the_percentages() -> None:
    page = report_html(report(judged(("a", "b"), 30)))
    assert re.search(r'<i style="--probability:0\.\d+"></i><span>[ab]</span>', page)
    assert "width: calc((100% - 4rem) * var(--probability))" in page


def test_a_path_is_not_broken_within_its_ending() -> None:
    result = judged(("a", "b"), 30, [f"a/photograph{number:02}.jpeg" for number in range(30)])
    assert re.search(r"a/photograp<wbr>h\d\d\.jpeg", report_html(report(result)))


def test_a_comparison_shows_both_networks(tmp_path: Path) -> None:
    """Under their names: metrics, mistakes, matrices, charts; and pictures of what only one gets right."""
    names = ("5", "6", "7")
    paths = [f"{number}.png" for number in range(60)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(tmp_path / path)
    new, old = judged(names, 60, paths, "first"), judged(names, 60, paths, "second", seed=1)
    comparison = compare(new, old)
    page = report_html(report(new, str(tmp_path), comparison=comparison))
    for section in ("metrics", "mistakes", "confusion", "classes", "calibration"):
        content = page.split(f'<section id="{section}"')[1].split("</section>")[0]
        assert re.findall("<h3>(first|second)</h3>", content) == ["first", "second"], section
    for network in (new, old):
        assert f"<strong>{100 * network.top1.share:.1f}\u00a0%</strong>" in page
    changes = page.split('<section id="comparison"')[1].split("</section>")[0]
    expected = sum(min(len(side), PICTURED_CHANGES) for side in (comparison.gained, comparison.lost))
    assert changes.count("<img ") == expected > 2
    change = comparison.gained[0]
    assert f"second: {change.old} ({100 * change.old_probability:.1f}\u00a0%)" in changes  # not "6 77.7 %"


def test_networks_of_one_name_can_be_told_apart() -> None:
    result = judged(("a", "b"), 30)
    page = report_html(report(result, comparison=compare(result, result)))
    assert "<h3>net (new)</h3>" in page
    assert "<h3>net (old)</h3>" in page


# ---- in a browser


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
    cells = browser.find_elements("css selector", ".matrix tbody button")
    total = browser.execute_script(
        "return [...document.querySelectorAll('.matrix button')].reduce((s, b) => s + Number(b.textContent), 0)"
    )
    assert total == 2 * 80  # two networks
    wrong = next(
        cell for cell in cells if cell.find_element("xpath", "..").get_attribute("class") != "correct"
    )
    count = int(wrong.text)
    wrong.click()
    shown = browser.find_elements("css selector", ".cell li")
    assert len(shown) == count
    pictures = browser.find_elements("css selector", ".cell img")
    assert len(pictures) == count
    assert all(browser.execute_script("return arguments[0].naturalWidth", picture) for picture in pictures)
    assert wrong.get_attribute("aria-pressed") == "true"
    assert f"{count} image" in browser.find_element("css selector", ".cell h3").text

    wrong.send_keys("\ue014")  # to the right, if there is something
    assert browser.execute_script("return document.activeElement.tagName") == "BUTTON"

    classes = browser.find_element("css selector", "#classes table")
    column = classes.find_element("css selector", "thead th:nth-child(3) button")
    for expected in ("descending", "ascending"):
        column.click()
        values = [
            float(cell.text.rstrip(" \u00a0%"))
            for cell in classes.find_elements("css selector", "tbody td:nth-child(3)")
        ]
        assert values == sorted(values, reverse=expected == "descending")
        header = classes.find_element("css selector", "thead th:nth-child(3)")
        assert header.get_attribute("aria-sort") == expected

    names = [cell.text for cell in browser.find_elements("css selector", ".matrix tbody th")]
    browser.execute_script(
        "const o = document.getElementById('order'); o.value = 'mistakes'; o.dispatchEvent(new Event('change'))"
    )
    again = [cell.text for cell in browser.find_elements("css selector", ".matrix tbody th")]
    assert sorted(again) == sorted(names)
    assert len(names) == 2 * 4

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
    charts = browser.find_elements("css selector", "#training svg")
    assert len({chart.rect["x"] for chart in charts}) == 1  # below each other
    assert all(chart.rect["width"] > 400 for chart in charts)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.set_window_size(1200, 900)

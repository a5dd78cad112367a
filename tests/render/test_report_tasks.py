"""The report on a network with tasks: every section, harmless names, pictures of the worst mistakes."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from cnncli.evaluation import reporting
from cnncli.evaluation.tasks.comparison import compare_tasks
from cnncli.evaluation.tasks.figures import EvaluatedTasks, TasksContext, evaluate_tasks
from cnncli.records.data import DataSet
from cnncli.records.report import Report
from cnncli.records.task_evaluation import LabelMetrics
from cnncli.records.tasks import AnswerKind, Task
from cnncli.render.co_occurrence import co_occurrence
from cnncli.render.report import report_html
from tests.render.test_report import EVIL, SCRIPT
from tests.tasks_for_tests import HABITAT, TAGS, draw

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver


def evaluate(*tasks: Task, model: str = "net", seed: int = 0) -> tuple[EvaluatedTasks, DataSet]:
    data, scored = draw(40, seed, tasks, unknown=0.1)
    context = TasksContext(model, "test", "as it has it", tasks)
    return EvaluatedTasks(tasks, scored, evaluate_tasks(context, data, scored)), data


def report(result: EvaluatedTasks, data: DataSet, **more: Any) -> str:
    values: dict[str, Any] = {
        "title": "net on walks",
        "facts": (),
        "evaluation": result.evaluation,
        "test": None,
        "data": reporting.data_facts(data, {}),
        "training": None,
        "comparison": None,
        "settings": (),
        "versions": (),
        "pictures": {},
    }
    return report_html(Report(**values | more))


def section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}"')[1].split("</section>", maxsplit=1)[0]


def test_a_task_with_several_answers_has_its_sections() -> None:
    page = report(*evaluate(TAGS))
    for name in ("metrics", "labels", "pairs", "classes", "calibration", "data"):
        assert section(page, name)
    assert 'id="confusion"' not in page
    assert "<h3>" not in section(page, "classes")  # a single task needs no heading
    assert re.search(r"the labels of \d+ more are unknown", section(page, "metrics"))
    assert re.search(r'<th scope="row">images</th><td class="number">\d+</td>', section(page, "data"))


def test_several_tasks_are_told_apart_by_name() -> None:
    page = report(*evaluate(HABITAT, TAGS))
    for name in ("metrics", "classes", "calibration"):
        assert re.findall("<h3>(.*?)</h3>", section(page, name)) == ["habitat", "tags"]
    assert "right in all tasks" in section(page, "metrics")
    assert 'id="confusion"' in page
    assert "habitat: lake" in section(page, "data")


def test_metrics_on_the_test_split_are_shown_beside_those_of_val() -> None:
    result, data = evaluate(HABITAT, TAGS)
    test = evaluate(HABITAT, TAGS, seed=1)[0].evaluation
    page = section(report(result, data, test=test), "metrics")
    for title in ("top-1 on test", "mAP on test", "micro F1 on test", "all tasks on test"):
        assert f"<dt>{title}</dt>" in page


def test_two_networks_are_compared_task_by_task() -> None:
    new, data = evaluate(HABITAT, TAGS, model="new")
    old, _ = evaluate(HABITAT, TAGS, model="old")
    page = report(new, data, comparison=compare_tasks(new, old, data))
    assert re.findall("<h3>(.*?)</h3>", section(page, "classes")) == [
        *("habitat: new", "habitat: old"),
        *("tags: new", "tags: old"),
    ]
    comparison = section(page, "comparison")
    for words in ("Exact match is", "Top-1 accuracy is", "Mean average precision is", "on exact matches"):
        assert words in comparison


def test_names_are_escaped() -> None:
    task = Task(EVIL, (SCRIPT, EVIL, "plain"), AnswerKind.SEVERAL)
    page = report(*evaluate(task, HABITAT))
    assert "<img src=x" not in page
    assert page.count("<script") == 2


def test_the_worst_mistakes_of_each_class_have_pictures(tmp_path: Path) -> None:
    result, data = evaluate(TAGS)
    for sample in data.samples:
        Image.new("RGB", (9, 9)).save(tmp_path / Path(sample.path).name)
    pictures = reporting.pictures(result.evaluation, None, str(tmp_path), 10**8)
    metrics = result.evaluation.tasks[0].metrics
    assert isinstance(metrics, LabelMetrics)
    assert {score.misses[0].path for score in metrics.classes if score.misses} <= set(pictures)
    content = section(report(result, data, pictures=pictures), "labels")
    assert content.count("<img ") == content.count('class="path"') > 4
    assert "no picture" not in content


def test_co_occurrence_is_counted_in_both_directions() -> None:
    result, data = evaluate(TAGS)
    metrics = result.evaluation.tasks[0].metrics
    assert isinstance(metrics, LabelMetrics)
    labelled, predicted, confused = (matrix.counts for matrix in co_occurrence(metrics))
    answers = [answer for sample in data.samples for answer in sample.answers if answer is not None]
    assert labelled.tolist() == [
        [sum({row, column} <= set(answer) for answer in answers) for column in range(4)] for row in range(4)
    ]
    np.testing.assert_array_equal(predicted, predicted.T)
    assert confused.diagonal().tolist() == [0] * 4


@pytest.mark.slow
def test_it_works_in_a_browser(browser: "WebDriver", tmp_path: Path) -> None:
    """Nothing runs that is named, nothing is wider than the window, and tables can be sorted."""
    result, data = evaluate(Task("tags", (EVIL, SCRIPT, "a rather long name of a class"), AnswerKind.SEVERAL))
    file = tmp_path / "report.html"
    file.write_text(report(result, data))
    browser.set_window_size(500, 900)  # Chromium's narrowest
    browser.get(file.as_uri())
    assert browser.title == "net on walks"
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.find_element("css selector", "#classes thead th:nth-child(2) button").click()
    column = browser.find_elements("css selector", "#classes tbody td:nth-child(2)")
    areas = [float(cell.text.rstrip(" \u00a0%")) for cell in column]
    assert areas == sorted(areas, reverse=True)
    counts = browser.find_elements("css selector", "#pairs .count")
    assert all(cell.text.isdigit() and "image" in str(cell.get_attribute("title")) for cell in counts)
    log = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[attr-defined]
    assert log == []
    browser.set_window_size(1200, 900)


@pytest.mark.slow
def test_the_picture_of_many_classes_shows_some_of_them() -> None:
    """And the page stays small."""
    task = Task(
        "tags", tuple(f"a rather long name of class {number}" for number in range(100)), AnswerKind.SEVERAL
    )
    result, data = evaluate(task)
    page = report(result, data)
    assert "Of 100 classes the 60 with the most mistakes are shown." in page
    assert len(page) < 4e6

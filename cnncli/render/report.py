"""A report as one self-contained HTML file, safe for any names of classes and files.

Jinja escapes every name; the script gets its data as JSON that cannot contain tags, and turns it into text, never markup.
"""

import base64
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING

from cnncli import __version__
from cnncli.records.evaluation import Accuracy, Evaluation
from cnncli.records.report import Evaluated, Report
from cnncli.records.task_evaluation import LabelMetrics, TaskEvaluation, TasksEvaluation
from cnncli.render.finetuned import are_balanced, folds_text
from cnncli.render.report_comparison import PICTURED_CHANGES, comparison_views
from cnncli.render.report_labels import LabelTask, label_view
from cnncli.render.report_networks import Network, matrices, network_view
from cnncli.text import counted, percent, printable

if TYPE_CHECKING:
    from jinja2 import Environment

_SHOWN = 200
"""Rows shown of a long table; the CSV files beside the report are complete."""


def report_html(report: Report) -> str:
    """A report as an HTML page."""
    from cnncli.render.charts import curve_svgs  # matplotlib, half a second

    pictures = {path: _data_url(content) for path, content in report.pictures.items()}
    views = list(_views(report))
    networks = [view for view in views if isinstance(view, Network)]
    training = report.training
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            version=__version__,
            views=views,
            networks=networks,
            labels=[view for view in views if isinstance(view, LabelTask)],
            images=_image_count(report.evaluation),
            all_tasks=list(_all_tasks(report)),
            has_mistakes=any(network.mistakes for network in networks),
            compared=_model_labels(report),
            comparisons=comparison_views(report.comparison) if report.comparison else (),
            pictured_changes=PICTURED_CHANGES,
            pictures=pictures,
            matrices=matrices(networks, pictures),
            folds=folds_text(
                training.folds, training.classifiers, has_tasks=isinstance(report.evaluation, TasksEvaluation)
            )
            if training and training.folds
            else "",
            is_balanced=training is not None and are_balanced(training.classifiers),
            curves=curve_svgs(training) if training and training.epochs else (),
            css=_resource("report.css"),
            script=_resource("report.js"),
            shown=_SHOWN,
        )
    )


_View = Network | LabelTask
"""What the page shows of one task of one network."""


def _views(report: Report) -> Iterator[_View]:
    """Each task of each network, those of the same task together."""
    if not report.comparison:
        yield from _views_of("", "predictions.csv", report.evaluation, report.test)
        return
    new, old = report.comparison.new, report.comparison.old
    new_label, old_label = _model_labels(report)
    for pair in zip(
        _views_of(new_label, "predictions.csv", new, None),
        _views_of(old_label, "predictions_old.csv", old, None),
        strict=True,
    ):
        yield from pair


def _model_labels(report: Report) -> tuple[str, str]:
    """The names of two networks that are compared, unique on the page; empty where there is only one."""
    if not report.comparison:
        return "", ""
    new, old = report.comparison.new.model, report.comparison.old.model
    return (new, old) if new != old else (f"{new} (new)", f"{old} (old)")


def _all_tasks(report: Report) -> Iterator[tuple[str, Accuracy]]:
    """How many images are right in all of several tasks, for each network or split, with words that tell these apart."""
    results = [("", report.evaluation), (" on test", report.test)]
    if report.comparison:
        labels = _model_labels(report)
        results = [(f", {labels[0]}", report.comparison.new), (f", {labels[1]}", report.comparison.old)]
    for words, result in results:
        if isinstance(result, TasksEvaluation) and len(result.tasks) > 1 and result.exact_match:
            yield words, result.exact_match


def _views_of(label: str, file: str, result: Evaluated, test: Evaluated | None) -> Iterator[_View]:
    """Each task of a network, evaluated perhaps on the test split, too; a network without tasks counts as one."""
    if isinstance(result, Evaluation):
        yield network_view(label, file, "", result, test if isinstance(test, Evaluation) else None)
        return
    tests = {item.task.name: item.metrics for item in test.tasks} if isinstance(test, TasksEvaluation) else {}
    for item in result.tasks:
        name = item.task.name if len(result.tasks) > 1 else ""
        title = ": ".join(filter(None, (name, label)))
        yield _task_view(title, file, item, tests.get(item.task.name))


def _task_view(title: str, file: str, item: TaskEvaluation, test: Evaluation | LabelMetrics | None) -> _View:
    """One task of a network, and its metrics on the test split."""
    note = (
        f"{counted(item.images, 'image')}; the labels of {item.unknown:,} more are unknown"
        if item.unknown
        else ""
    )
    if isinstance(item.metrics, Evaluation):
        return network_view(title, file, note, item.metrics, test if isinstance(test, Evaluation) else None)
    return label_view(title, note, item.task, item.metrics, test if isinstance(test, LabelMetrics) else None)


def _image_count(result: Evaluated) -> int:
    return result.images if isinstance(result, TasksEvaluation) else len(result.answers)


def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_resource))
    environment.filters |= {
        "counted": counted,
        "percent": lambda share: percent(share).replace(" ", "\u00a0"),
        "points": lambda share: f"{100 * share:+.1f}\u00a0points",
        "shown": printable,
        "zip": lambda one, other: list(zip(one, other, strict=True)),
    }
    return environment


def _resource(name: str) -> str:
    return resources.files("cnncli.render").joinpath("html", name).read_text(encoding="utf-8")


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"

"""Evaluation of networks with tasks: several questions about an image, each with one right class or several.

Everything works on a `DataSet` and probabilities; no model folder is needed, so that a training run is evaluated the same way:

    scored = ScoredTargets(samples, shares, unreadable)             scoring: given, or from networks by `score_targets`
    context = TasksContext(model, split, split_source, tasks)       figures: tasks with the thresholds to apply
    result = evaluate_tasks(context, data, scored)                  a `TasksEvaluation`
    tables.predictions(tasks, data, scored)                         predictions.csv
    output.pictures(result)                                         confusion matrices, reliability diagrams, … as PNG
    reporting.report_page(Report(..., evaluation=result, ...))      report.html, as for networks without tasks

The answers of the samples are indices of the classes of `context.tasks`: where they are those of a data set whose classes a network
has in another order, `matching.match_tasks` finds them by name.
"""

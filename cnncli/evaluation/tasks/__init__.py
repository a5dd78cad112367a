"""Evaluation of networks with tasks: several questions about an image, each with one right class or several.

Everything works on a `DataSet` and probabilities; no model folder is needed:

    scored = ScoredTargets(samples, shares, unreadable)            scoring: or let score_targets run networks
    context = TasksContext(model, split, split_source, tasks)      figures: tasks with the thresholds to apply
    result = evaluate_tasks(context, data, scored)
    tables.predictions(tasks, data, scored)                       predictions.csv
"""

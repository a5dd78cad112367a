"""`--tune features`: the network stays as it is; a classifier is fitted to its embeddings of the images.

The simplest kind of transfer learning. Where the network is prepared, torch is not imported: embeddings come from ONNX
Runtime, and the new classifier replaces the last layer of the compiled network and of the weights.
"""

from collections.abc import Callable

from cnncli.data.stratified import require_learnable
from cnncli.dataclass import frozen_dataclass
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet
from cnncli.records.evaluation import FoldScore
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.training import Tune
from cnncli.training.cut import prepare_start
from cnncli.training.features.class_search import ClassSearch, search_classes
from cnncli.training.features.embeddings import EmbeddedData, embed_data, warn_about_data
from cnncli.training.features.folds import cross_validate, require_enough
from cnncli.training.features.replace_head import require_compiled
from cnncli.training.features.task_search import TaskSearch, search_tasks
from cnncli.training.preparation import Stopwatch, describe_data
from cnncli.training.run_folder import Target
from cnncli.training.settings import FinetuneSettings


@frozen_dataclass
class FeatureSearch:
    """A network, its embeddings of the data, and the classifiers that were fitted to them.

    Attributes:
        target: where the run is written.
        folder: model folder of the network.
        embedded: the data and its embeddings.
        result: the classifiers that were compared.
        folds: the scores of such a search in each fold of `--folds`; empty where there are none.
    """

    target: Target
    folder: ModelFolder
    embedded: EmbeddedData
    result: ClassSearch | TaskSearch
    folds: tuple[FoldScore, ...] = ()


def search_classifiers(
    settings: FinetuneSettings,
    data: DataSet,
    target: Target,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    *,
    require_usable: Callable[[ModelFolder, DataSet], None] | None = None,
    is_offline: bool = False,
) -> FeatureSearch:
    """Fit classifiers to a network's embeddings of labelled images; nothing is written yet.

    Args:
        settings: the run's settings.
        data: the labelled images.
        target: where the run will be written.
        stopwatch: times and reports each step, and what is left out.
        bar: opens a progress bar over the images.
        require_usable: checks a network and the data before embeddings are computed.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network cannot be used.
    """
    progress = stopwatch.progress
    plan = (
        ", which stays as it is" if settings.tune is Tune.FEATURES else ": a classifier on its features first"
    )
    progress.notice(f"starting from {settings.start}{plan}")
    with stopwatch.measure("opening the network"):
        folder = prepare_start(settings, progress, is_offline=is_offline)
        require_compiled(folder)
        if require_usable:
            require_usable(folder, data)
    describe_data(data, progress)
    if settings.folds:
        require_enough(data, settings.folds)
    with stopwatch.measure("computing embeddings"):
        embedded = embed_data(folder, data, settings, progress, bar)
    warn_about_data(embedded, progress)
    require_learnable(embedded.data, is_read=True)
    with stopwatch.measure("importing SciPy"):  # only here, so that earlier errors are instant
        import cnncli.training.features.classifiers  # noqa: F401
    with stopwatch.measure("fitting classifiers"):
        result = _search(embedded, settings, progress)
    folds: tuple[FoldScore, ...] = ()
    if settings.folds:
        with stopwatch.measure(f"{settings.folds}-fold cross-validation"):
            folds = cross_validate(
                embedded,
                settings.folds,
                settings.seed,
                lambda fold: _search(fold, settings, progress).score,
            )
    return FeatureSearch(target, folder, embedded, result, folds)


def _search(
    embedded: EmbeddedData, settings: FinetuneSettings, progress: Progress
) -> ClassSearch | TaskSearch:
    if embedded.data.tasks:
        return search_tasks(embedded, settings, progress)
    return search_classes(embedded, settings, progress)

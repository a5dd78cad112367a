"""Sending the files of a repository to the Hugging Face hub, in one commit."""

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from cnncli import __version__
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError, UsageError
from cnncli.networks.downloads import is_forbidden
from cnncli.networks.reference import HUB, split_hub_name
from cnncli.records.progress import Progress
from cnncli.sharing.repository_files import FILES, RepositoryFiles
from cnncli.text import first_line
from cnncli.web import require_reachable

_FOLDER_HINT = "write the files to a folder with --to DIR"
_UNAUTHORIZED, _CONFLICT = 401, 409


@frozen_dataclass
class Repository:
    """A repository on the hub that may be written.

    Attributes:
        name: such as `user/name`.
        is_private: whether only its owner and their organisation can see it.
        former: names of the files that it has; None where it does not exist yet.
    """

    name: str
    is_private: bool
    former: tuple[str, ...] | None

    @property
    def url(self) -> str:
        """Its page on the hub."""
        return f"{constants.ENDPOINT}/{self.name}"


def repository_name(reference: str) -> str:
    """The name of a repository, `user/name`, from `hf-hub:user/name`.

    Raises:
        UsageError: it is not one.
    """
    name, revision = split_hub_name(reference) if reference.startswith(HUB) else ("", None)
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(f"{reference} is not the name of a repository", f"write {HUB}user/name") from error
    if not name or revision:
        raise UsageError(f"{reference} is not the name of a repository", f"write {HUB}user/name")
    return name


def find_repository(name: str, *, is_public: bool, overwrite: bool) -> Repository:
    """Check, without changing anything, that a repository may be written.

    Args:
        name: such as `user/name`.
        is_public: whether everybody is to see it.
        overwrite: whether the files of an existing one may be replaced.

    Raises:
        OutputError: there is no token, the hub cannot be reached or refuses the token, or the repository exists.
    """
    _require_access()
    api = _api()
    try:
        api.whoami()
        info = api.model_info(name)
    except RepositoryNotFoundError:
        return Repository(name, not is_public, None)
    except (
        Exception
    ) as error:  # versions of huggingface_hub differ in the HTTP library whose errors they raise
        raise _failure(name, error) from error
    former = tuple(file.rfilename for file in info.siblings or () if file.rfilename != ".gitattributes")
    if former and not overwrite:
        raise OutputError(
            f"{name} already exists on {constants.ENDPOINT}",
            "--overwrite replaces the network in it, in a new commit; or choose another name",
        )
    if not info.private and not is_public:
        raise OutputError(f"{name} already exists, and everybody can see it", "add --public if they may")
    return Repository(name, bool(info.private), former)


def _require_access() -> None:
    """Check that there is a token, and that the hub answers."""
    if is_forbidden():
        raise OutputError("HF_HUB_OFFLINE forbids to send anything", f"unset it, or {_FOLDER_HINT}")
    if not get_token():
        raise OutputError(
            f"there is no token for {constants.ENDPOINT}",
            f"log in with `hf auth login`, or set HF_TOKEN to a token that may write; or {_FOLDER_HINT}",
        )
    try:
        require_reachable(constants.ENDPOINT)
    except OSError as error:
        raise OutputError(f"{constants.ENDPOINT} cannot be reached ({error})", _FOLDER_HINT) from error


def _api() -> HfApi:
    # Xet uses another server, which cannot be checked beforehand, and retries for minutes where that is blocked.
    constants.HF_HUB_DISABLE_XET = True
    return HfApi(endpoint=constants.ENDPOINT, library_name="cnncli", library_version=__version__)


def send(repository: Repository, files: RepositoryFiles, progress: Progress) -> None:
    """Create a repository if it does not exist, and send files in one commit, which also deletes an earlier network.

    Raises:
        OutputError: the hub refuses, or the connection breaks; the repository is then as before, or new and empty.
    """
    from cnncli.networks.zoo.hub import progress_bars  # imports torch

    api = _api()
    sizes = files.sizes()
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(name, files.folder / name) for name in sizes),
        *(CommitOperationDelete(name) for name in repository.former or () if name in FILES - sizes.keys()),
    ]
    try:
        with progress.hidden(), progress_bars(is_shown=progress.shows_bars):
            if repository.former is None:
                api.create_repo(repository.name, private=repository.is_private)
            api.create_commit(
                repository.name, operations, commit_message=f"Network from cnncli {__version__}"
            )
    except Exception as error:  # as above
        raise _failure(repository.name, error) from error


def _failure(name: str, error: Exception) -> OutputError:
    """The error for a request that the hub did not fulfil."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status == _UNAUTHORIZED:
        return OutputError(f"{constants.ENDPOINT} refuses the token", "log in anew with `hf auth login`")
    if status == _CONFLICT:
        return OutputError(f"{name} already exists on {constants.ENDPOINT}", "choose another name")
    problem = "refuses the files for" if status else "broke off the connection for"
    return OutputError(
        f"{constants.ENDPOINT} {problem} {name} ({first_line(error)})",
        f"try again: nothing is half sent, since all files are in one commit; or {_FOLDER_HINT}",
    )

"""settings.toml: the options of a run, what it started from, and package versions.

schema = 1
tune = "full"           options, each under its name; `--config` reads them
…
[provenance]            base_model, weights, data_digest
[versions]              cnncli, python, torch, …
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.files.schema import schema_problem
from cnncli.files.whole import write_whole
from cnncli.regular_file import read_document
from cnncli.text import decode_text, quote

SETTINGS = "settings.toml"

SCHEMA = 1
"""Schema number of new files. Later versions must still read files with this number."""


def require_run(folder: Path) -> None:
    """Check that a folder is that of a run.

    Raises:
        UsageError: it is not; the hint has the runs in it.
    """
    if (folder / SETTINGS).exists():
        return
    reason = f"it has no {SETTINGS}" if folder.is_dir() else "no such folder"
    runs = sorted(file.parent for file in folder.glob(f"*/{SETTINGS}"))[:3]
    names = ", ".join(quote(run) for run in runs)
    hint = f"did you mean {names}?" if runs else "a run is a folder that finetune wrote, e.g. runs/photos"
    raise UsageError(f"{folder} is not a run: {reason}", hint)


@frozen_dataclass
class RecordedSettings:
    """The settings of a run, as it keeps them.

    Attributes:
        options: values of the options, as they are typed.
        base_model: name of the network that the run started from.
        weights: origin of its weights.
        data_digest: SHA-256 of the listing of the images; None where they were not read before training.
        versions: versions of Python and of the packages that the run depends on.
    """

    options: Mapping[str, Any]
    base_model: str = ""
    weights: str = ""
    data_digest: str | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Everything under dotted names, such as `versions.torch`."""
        tables = {"provenance": self._provenance(), "versions": self.versions}
        nested = {f"{table}.{name}": value for table in tables for name, value in tables[table].items()}
        return {**self.options, **nested}

    def _provenance(self) -> dict[str, str]:
        digest = {"data_digest": self.data_digest} if self.data_digest else {}
        return {"base_model": self.base_model, "weights": self.weights, **digest}

    def write(self, folder: Path) -> None:
        """Write settings.toml into a folder.

        Raises:
            OutputError: it cannot be written.
        """
        document = {
            "schema": SCHEMA,
            **self.options,
            "provenance": self._provenance(),
            "versions": dict(self.versions),
        }
        write_whole(
            folder / SETTINGS, tomli_w.dumps(document).encode("utf-8", "surrogateescape"), overwrite=True
        )


def read_settings(file: Path) -> RecordedSettings:
    """Read a settings.toml, or a file of options that a person wrote.

    Raises:
        UsageError: it cannot be read, is not TOML, or has another schema.
    """
    try:
        document = tomllib.loads(decode_text(read_document(file), "surrogateescape"))
    except OSError as error:
        raise UsageError(f"cannot read the settings {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the settings {file} are not TOML: {error}") from error
    _require_schema(document, file)
    provenance, versions = _table(document, "provenance", file), _table(document, "versions", file)
    return RecordedSettings(
        options=document,
        base_model=provenance.get("base_model", ""),
        weights=provenance.get("weights", ""),
        data_digest=provenance.get("data_digest"),
        versions=versions,
    )


def _table(document: dict[str, Any], name: str, file: Path) -> dict[str, Any]:
    """Take a table out of a document; empty if it has none."""
    table = document.pop(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"cannot read the settings {file}: {name} is not a table")
    return table


def _require_schema(document: dict[str, Any], file: Path) -> None:
    """Take the schema number out of a document; only files that a person wrote may lack it."""
    schema, tables = document.pop("schema", None), document.keys() & {"made", "provenance", "versions"}
    if schema is None and not tables:
        return
    remedy = (
        f"start a new run; or delete the tables {', '.join(sorted(tables))}, and use the file with --config"
    )
    if problem := schema_problem(schema, SCHEMA, remedy):
        raise UsageError(f"cannot read the settings {file}: {problem.reason}", problem.hint)

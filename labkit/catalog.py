"""The bundled models, and the loopback catalog that offers them to Foundry Local.

Foundry Local serves a model when a catalog lists it and its files lie in the model cache. This module takes care
of both. It knows nothing about the runtime, which reads the two.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.catalog_entry import CatalogEntry
from labkit.errors import HomeNotWritable, ModelDamaged
from labkit.model_info import pick

if TYPE_CHECKING:
    from foundry_local_sdk import IModel

PUBLISHER = "labkit"
PATH = "/asset-gallery/v1.0/models"
_SHIPPED = Path(__file__).parent / "models"
_CREATED = 1_793_491_200  # 1 November 2026, in seconds since 1970
_REMEMBERED = "labkit-catalog-entry.json"


@dataclass(frozen=True)
class BundledModel:
    """A chat model that labkit ships.

    Attributes:
        alias: the short name, such as `course-large`.
        version: the version of the weights.
        context_length: tokens that prompt and answer may have together.
        files: SHA-256 digest by file name.
    """

    alias: str
    version: int
    context_length: int
    files: dict[str, str]

    @property
    def id(self) -> str:
        """The exact model id that the chat API wants, `name:version`."""
        return f"{self.alias}:{self.version}"

    @property
    def folder(self) -> Path:
        """Where the files lie in the installation."""
        return _SHIPPED / self.alias

    @property
    def size(self) -> int:
        """The size of all files, in bytes."""
        return sum((self.folder / name).stat().st_size for name in self.files)


@cache
def bundled() -> dict[str, BundledModel]:
    """Gives the chat models that labkit ships, by alias.

    Raises:
        ModelDamaged: the list of them is missing or damaged.
    """
    file = _SHIPPED / "manifest.json"
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelDamaged(file) from error
    return {alias: BundledModel(alias=alias, **entry) for alias, entry in manifest.items()}


def find_bundled(alias_or_id: str) -> BundledModel | None:
    """Gives the bundled model of that alias or id, or None.

    Args:
        alias_or_id: `course-large` or `course-large:1`, in any case.
    """
    models = {model.id: model for model in bundled().values()}
    return models.get(pick(alias_or_id, list(models)) or "")


def install(model: BundledModel, cache_folder: Path) -> Path:
    """Puts a bundled model into the model cache, once, and repairs damaged files.

    The files are copied, not linked, so that damage in the cache never reaches the originals. Each one appears under
    its name only when it is complete, so that processes that start at the same time need no lock.

    Args:
        model: the model to install.
        cache_folder: Foundry Local's model cache.

    Returns:
        The folder of the model inside the cache.

    Raises:
        HomeNotWritable: the cache cannot be written.
        ModelDamaged: the original in the installation is damaged, so that nothing can be repaired from it.
    """
    target = cache_folder / PUBLISHER / model.alias
    try:
        target.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        for name in damaged(target, model):
            _copy(model, name, target)
    except OSError as error:
        raise HomeNotWritable(cache_folder, error) from error
    return target


def damaged(folder: Path, model: BundledModel) -> Iterator[str]:
    """Gives the names of a model's files that are missing or whose SHA-256 is wrong.

    Args:
        folder: where the files should lie.
        model: the model that they belong to.
    """
    for name, digest in model.files.items():
        file = folder / name
        if not file.is_file() or _sha256(file) != digest:
            yield name


def _copy(model: BundledModel, name: str, target: Path) -> None:
    source = model.folder / name
    if not source.is_file() or _sha256(source) != model.files[name]:
        raise ModelDamaged(source)
    part = target / f".{name}.{os.getpid()}.part"
    try:
        shutil.copyfile(source, part)
        part.replace(target / name)
    except OSError:
        # Windows lets nobody replace a file that is in use: another process was faster, and has loaded it.
        if name in damaged(target, model):
            raise
    finally:
        part.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Deletes what a process left behind that was killed while it copied."""
    for part in folder.glob(".*.[0-9]*.part"):
        import psutil

        if not psutil.pid_exists(int(part.name.split(".")[-2])):
            part.unlink(missing_ok=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remember(model: IModel) -> None:
    """Keeps what the public catalog says of a downloaded model, so that next time it starts without the network.

    Args:
        model: a model whose files lie in the model cache.
    """
    entry = json.dumps(CatalogEntry.of(model).as_json(), indent=2)
    # It can be written again next time, so a full disk is no reason to refuse a model that is already here.
    with suppress(OSError):
        (Path(model.get_path()) / _REMEMBERED).write_text(entry, "utf-8")


class LoopbackCatalog:
    """A model catalog on 127.0.0.1, in the format that Foundry Local reads.

    It lists the bundled models, and those that were downloaded before. Usable as a context manager. The protocol is
    the catalog API of Foundry Local 2.x: one POST route whose path ends in `/asset-gallery/v1.0/models`.

    Args:
        cache_folder: Foundry Local's model cache, where the downloaded models lie; None lists the bundled ones only.
    """

    def __init__(self, cache_folder: Path | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.cache_folder = cache_folder
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to give to Foundry Local."""
        return f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def close(self) -> None:
        """Stops the server and frees its port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> LoopbackCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    cache_folder: Path | None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"value": listing(self.server.cache_folder)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stays silent: the learner asked for an answer, not for a request log."""


def listing(cache_folder: Path | None = None) -> list[dict[str, Any]]:
    """Gives the entries of the bundled models, and of the models that were downloaded before.

    Args:
        cache_folder: Foundry Local's model cache, where the downloaded models lie.
    """
    entries = [_entry(model).as_json() for model in bundled().values()]
    for file in cache_folder.rglob(_REMEMBERED) if cache_folder else ():
        with suppress(OSError, ValueError):  # a damaged note is no loss: the public catalog knows the model
            entries.append(json.loads(file.read_text("utf-8")))
    return entries


def _entry(model: BundledModel) -> CatalogEntry:
    return CatalogEntry(
        alias=model.alias,
        name=model.alias,
        version=model.version,
        publisher=PUBLISHER,
        asset=f"azureml://registries/{PUBLISHER}/models/{model.alias}/versions/{model.version}",
        size=model.size,
        context_length=model.context_length,
        created=_CREATED,
    )

"""The keys of a gateway, in one file that holds their hashes and never the keys.

It knows nothing of HTTP and of limits. A running gateway notices within one request what another process changes.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labkit.errors import GatewayError, HomeNotWritable
from labkit.file_lock import locked
from labkit.settings import Settings

_PREFIX, _BYTES = "lk-", 32
_NAME_LENGTH = 64


@dataclass(frozen=True)
class Key:
    """What is known of a key.

    Attributes:
        name: whose it is.
        digest: the SHA-256 of the key, in hexadecimal. Keys are 256 random bits, which nobody guesses, so the slow
            hashes that guard passwords would cost time and add nothing.
        created: when it was made.
        revoked: since when it is not accepted any more; None while it is.
    """

    name: str
    digest: str
    created: datetime
    revoked: datetime | None = None


_KEYS = TypeAdapter(list[Key])


class KeyRing:
    """Creates, lists, revokes and finds keys.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Key] = {}

    @classmethod
    def of_home(cls) -> KeyRing:
        """Gives the keys under LABKIT_HOME."""
        return cls(Settings.load().home / "gateway" / "keys.json")

    def create(self, name: str) -> str:
        """Makes a key, and gives it this once: the file keeps its hash only.

        Args:
            name: whose it is, such as `ann`.

        Raises:
            GatewayError: the name cannot be used, or has a key already.
            HomeNotWritable: the file cannot be written.
        """
        if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable() or name != name.strip():
            raise GatewayError(f"A key cannot be called {name!r}. Give 1 to {_NAME_LENGTH} printable characters.")
        secret = _PREFIX + secrets.token_urlsafe(_BYTES)
        with self._changing() as keys:
            if any(key.name == name and key.revoked is None for key in keys):
                raise GatewayError(
                    f"{name!r} has a key. Choose another name, or first type `labkit gateway keys revoke {name}`."
                )
            keys.append(Key(name, _digest(secret), datetime.now(UTC)))
        return secret

    def revoke(self, name: str) -> None:
        """Takes a key back; the next request with it is refused, in all gateways that use the file.

        Args:
            name: whose it is.

        Raises:
            GatewayError: nobody of that name has a key.
            HomeNotWritable: the file cannot be written.
        """
        with self._changing() as keys:
            for index, key in enumerate(keys):
                if key.name == name and key.revoked is None:
                    keys[index] = replace(key, revoked=datetime.now(UTC))
                    return
            raise GatewayError(f"Nobody called {name!r} has a key. `labkit gateway keys list` shows who has.")

    def known(self) -> list[Key]:
        """Gives all keys, the revoked ones, too, in the order in which they were made.

        Raises:
            GatewayError: the file is damaged.
        """
        return self._read()

    def find(self, secret: str) -> Key | None:
        """Gives what is known of a key, revoked or not; None for a key that never was.

        Args:
            secret: the key as a client sent it.
        """
        seen = self._stamp()
        if seen != self._seen:
            self._by_digest, self._seen = {key.digest: key for key in self._read()}, seen
        return self._by_digest.get(_digest(secret))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116  # asked for each request, and half as fast through Path
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> list[Key]:
        try:
            return _KEYS.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except ValidationError:
            raise GatewayError(
                f"The file with the keys, {self.path}, is damaged. Restore it from a backup, or delete it and create "
                "the keys again."
            ) from None

    @contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.path):
                keys = self._read()
                yield keys
                self._write(_KEYS.dump_json(keys, indent=1))
        except OSError as error:
            raise HomeNotWritable(self.path.parent, error) from error

    def _write(self, content: bytes) -> None:
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            # For the owner's eyes from the first moment on.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()

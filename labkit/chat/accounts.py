"""Who may log in: names and hashed passwords in a file, and the secret that signs the login.

It knows nothing of Chainlit.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path

from labkit.errors import HomeNotWritable, SettingsError

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1  # scrypt, as OWASP recommends for 16 MB: about 50 ms for one guess
_MEMORY = 64 * 1024 * 1024  # bytes that scrypt may use
_SHORTEST = 8  # characters


class Accounts:
    """The accounts in a folder.

    Args:
        folder: where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._users, self._secret = folder / "users.json", folder / "secret"

    @property
    def names(self) -> list[str]:
        """Who has an account."""
        return sorted(self._read())

    def add(self, name: str, password: str) -> None:
        """Adds an account, or changes its password.

        Args:
            name: the user's name.
            password: kept as a hash only.

        Raises:
            SettingsError: the name is empty or the password is too short.
            HomeNotWritable: the file cannot be written.
        """
        if not name.strip():
            raise SettingsError("The name is empty. Give one: `labkit chat --add-user anna`.")
        if len(password) < _SHORTEST:
            raise SettingsError(f"The password has fewer than {_SHORTEST} characters. Choose a longer one.")
        _write(self._users, json.dumps({**self._read(), name.strip(): hash_password(password)}, indent=2))

    def check(self, name: str, password: str) -> bool:
        """Says whether a password is right. It takes as long for a name that does not exist.

        Args:
            name: the user's name.
            password: what was typed.
        """
        kept = self._read().get(name)
        return is_password(password, kept or _NOBODY) and kept is not None

    def secret(self) -> str:
        """Gives the key that signs logins; made once, so that a login outlives a restart.

        Raises:
            HomeNotWritable: it cannot be kept.
        """
        if not self._secret.is_file():
            _write(self._secret, secrets.token_urlsafe(48))
        return self._secret.read_text("utf-8")

    def _read(self) -> dict[str, str]:
        if not self._users.is_file():
            return {}
        try:
            return dict(json.loads(self._users.read_text("utf-8")))
        except ValueError as error:
            raise SettingsError(
                f"{self._users} is damaged: {error}. Delete it, and add the users again with `labkit chat --add-user`."
            ) from error


def hash_password(password: str) -> str:
    """Hashes a password with scrypt and a salt of its own.

    Args:
        password: the password.

    Returns:
        The method, the salt and the hash.
    """
    salt = secrets.token_bytes(16)
    return f"scrypt${b64encode(salt).decode()}${b64encode(_scrypt(password, salt)).decode()}"


def is_password(password: str, kept: str) -> bool:
    """Says whether a password belongs to a hash, in a time that tells nothing.

    Args:
        password: what was typed.
        kept: what `hash_password` gave.
    """
    _method, salt, digest = kept.split("$")
    return hmac.compare_digest(_scrypt(password, b64decode(salt)), b64decode(digest))


def _scrypt(password: str, salt: bytes) -> bytes:
    text = password.encode("utf-8", errors="surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Made readable for its owner only before anything stands in it.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise HomeNotWritable(file.parent, error) from error


_NOBODY = f"scrypt${b64encode(bytes(16)).decode()}${b64encode(bytes(64)).decode()}"

"""Typed readers of environment variables that fail loudly, in one sentence."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Callable, Mapping

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class SettingError(Exception):
    """A setting is missing or cannot be read; the message says which and what to do."""


def text(name: str, default: str | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """The variable's text; `NAME_FILE` names a file to read instead, for secrets mounted as files."""
    if path := environ.get(f"{name}_FILE"):
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        except OSError as error:
            raise SettingError(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error
    value = environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise SettingError(f"{name} is not set. Set it in the environment; docs/operations.md lists every variable.")
    return default


def flag(name: str, default: bool, *, environ: Mapping[str, str] = os.environ) -> bool:
    """A yes/no variable."""
    value = environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    raise SettingError(f"{name} is {value!r}. Use 'on' or 'off'.")


def choice(name: str, choices: list[str], reason: str, *, environ: Mapping[str, str] = os.environ) -> str:
    """One of a few words; the first is the default, and `reason` says why there are no others."""
    value = text(name, choices[0], environ=environ).lower()
    if value not in choices:
        raise SettingError(f"{name} is {value!r}. Use {' or '.join(choices)}, or leave it out. {reason}")
    return value


def number(name: str, default: int, *, low: int = 0, high: int = 2**31, environ: Mapping[str, str] = os.environ) -> int:
    """A whole number within bounds."""
    value = environ.get(name, "").strip()
    if not value:
        return default
    try:
        result = int(value)
    except ValueError:
        raise SettingError(f"{name} is {value!r}. Use a whole number from {low} to {high}.") from None
    if not low <= result <= high:
        raise SettingError(f"{name} is {value!r}. Use a whole number from {low} to {high}.")
    return result


def checked(
    name: str, default: str, read: Callable[[list[str]], object], *, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """A comma separated list of what `read` can read; its ValueError says which word it cannot."""
    listed = words(name, default, environ=environ)
    try:
        read(listed)
    except ValueError as error:
        raise SettingError(f"{name} cannot be read: {error}. docs/operations.md shows how it is written.") from error
    return listed


def words(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """A comma separated list, empty entries dropped."""
    return [word.strip() for word in text(name, default, environ=environ).split(",") if word.strip()]


def networks(name: str, *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """A comma separated list of addresses and networks."""
    listed = words(name, environ=environ)
    for word in listed:
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise SettingError(
                f"{name} names {word!r}, which is no address. Use addresses or networks, like 127.0.0.1 or 10.0.0.0/8."
            ) from None
    return listed


MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
MAKE_A_FERNET_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
SHORTEST_KEY, FEWEST_CHARACTERS = 32, 10


def keys(name: str, own: Mapping[str, str], *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The keys of a comma separated list, newest first; at least one."""
    listed = [word.strip() for word in text(name, own.get(name), environ=environ).split(",") if word.strip()]
    if not listed:
        raise SettingError(f"{name} holds no key. Set it to one or more keys, separated by commas, the newest first.")
    return listed


def strong(name: str, key: str) -> str:
    """The key, refused when somebody could guess it. Its characters are never shown."""
    if len(key) < SHORTEST_KEY or len(set(key)) < FEWEST_CHARACTERS:
        raise SettingError(
            f"{name} holds a key of {len(key)} characters, {len(set(key))} of them different, which can be guessed. "
            f"Make one of at least {SHORTEST_KEY} random characters: {MAKE_A_KEY}"
        )
    return key


def fernet_key(name: str, key: str) -> str:
    """The key, refused when it is none that Fernet takes."""
    try:
        fits = len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        fits = False
    if not fits:
        raise SettingError(
            f"{name} holds a key of {len(key)} characters that is no Fernet key. Make one with: {MAKE_A_FERNET_KEY}"
        )
    return key

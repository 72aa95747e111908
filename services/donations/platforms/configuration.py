"""Reading platforms.toml: which platforms send here, who we are to them, and their keys.

A fault in this file stops the service at its start, with a message that names the place.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.donations.platforms.signature import Ed25519Verifier, Verifier

_SECRET_MIN = 8


class ConfigurationError(Exception):
    """platforms.toml, or a file that it names, is not as it must be."""


@dataclass(frozen=True, slots=True)
class Section:
    """One platform's table in the file. name: as "tencent" or "tencent.public_keys"."""

    name: str
    values: Mapping[str, object]
    folder: Path

    def require_only(self, *names: str) -> None:
        """Raises if a setting has another name than these: a misspelt one must not go unseen."""
        if unknown := sorted(set(self.values) - set(names)):
            raise self.error(f"knows no setting {unknown[0]!r}; it has {', '.join(names)}")

    def text(self, name: str) -> str:
        """A setting that is a text. Raises if it is missing or empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.error(f"needs {name} as a text")
        return value

    def flag(self, name: str) -> bool:
        """A setting that is true or false. Raises if it is missing."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.error(f"needs {name} as true or false")
        return value

    def section(self, name: str) -> "Section":
        """A table within this one."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.error(f"needs a table {name}")
        return Section(f"{self.name}.{name}", value, self.folder)

    def file(self, name: str) -> bytes:
        """What is in the file that a setting names, relative to platforms.toml."""
        path = self.folder / self.text(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self.error(f"names {path}, which cannot be read: {error.strerror}") from error

    def secrets(self, name: str) -> tuple[bytes, ...]:
        """The secrets in the files that a setting lists, without space around them.

        A list, because a secret is changed by trusting the old and the new one for a time.
        """
        files = self.values.get(name)
        if not isinstance(files, list) or not files:
            raise self.error(f"needs {name} as a list of at least one file")
        found = []
        for file in files:
            secret = Section(self.name, {name: file}, self.folder).file(name).strip()
            if len(secret) < _SECRET_MIN or not secret.isascii():
                raise self.error(
                    f"{name} must name files of {_SECRET_MIN} ASCII characters or more"
                )
            found.append(secret)
        return tuple(found)

    def verifier(self, name: str) -> Verifier:
        """The public key in the file that a setting names."""
        pem = self.file(name)
        try:
            return Verifier.from_pem(pem)
        except ValueError as error:
            raise self.error(
                f"{name} must name a PEM public key or certificate: {error}"
            ) from error

    def ed25519_verifier(self, name: str) -> Ed25519Verifier:
        """The Ed25519 public key in the file that a setting names."""
        pem = self.file(name)
        try:
            return Ed25519Verifier.from_pem(pem)
        except ValueError as error:
            raise self.error(f"{name} must name a PEM Ed25519 public key: {error}") from error

    def error(self, message: str) -> ConfigurationError:
        """An error that says where it is."""
        return ConfigurationError(f"platforms.toml: [{self.name}] {message}")


def read_sections(file: Path) -> list[Section]:
    """The tables of the file, in its order. Raises ConfigurationError."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is no TOML file: {error}") from error
    sections = []
    for name, value in document.items():
        if not isinstance(value, dict):
            raise ConfigurationError(f"{file}: {name} must stand in a platform's table")
        sections.append(Section(name, value, file.parent))
    return sections

"""Certificates that are withdrawn before their time: a short list of fingerprints in a file.

    # 2026-09-05, a laptop was lost
    3f7a…c2
    sha256 Fingerprint=AB:CD:…

One SHA-256 fingerprint of a certificate (of its DER form) a line, as `openssl x509 -noout
-fingerprint -sha256` prints it or as bare hex digits; what follows a # is a remark. The file is
looked at every second. One that cannot be read then, or has a line that is no fingerprint, changes
nothing: what was denied stays so, and the log and a metric say it. At the start it ends the
service, as a list that is silently empty is worse than none.
"""

import asyncio
import os
import re
import ssl
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from services.runtime.errors import Fault, Reason

DENIED_CALLS = Counter(
    "watersmeet_denied_calls", "Calls refused or ended because their certificate is withdrawn."
)
DENIED_CERTIFICATES = Gauge(
    "watersmeet_denied_certificates", "Certificates that are withdrawn before their time."
)
UNREAD = Gauge(
    "watersmeet_denied_certificates_unread",
    "1 while the file of withdrawn certificates is not as it must be: the list of before holds.",
)

LOOK_S = 1.0
_BYTES_MAX = 1024 * 1024
_FINGERPRINT = re.compile(r"(?:sha256 fingerprint=)?([0-9a-f]{2}(?::?[0-9a-f]{2}){31})")

_log = structlog.get_logger()

_Seen = tuple[int, int, int] | None
"""What tells one version of a file from another: inode, size, and when it, its name or its rights
changed. None: no file.
"""


class DeniedFileError(Exception):
    """The file of withdrawn certificates is not as it must be; the message says where."""


class DeniedCertificates:
    """Who is turned away although the authority vouches for them."""

    def __init__(self, file: Path | None) -> None:
        """file: None for an empty list. Raises DeniedFileError."""
        self._file = file
        self._seen: _Seen = None
        self._is_unread = False
        self._fingerprints: frozenset[bytes] = frozenset()
        if file is not None:
            self._seen = _version_of(file)
            self._fingerprints = read_fingerprints(file)
        DENIED_CERTIFICATES.set(len(self._fingerprints))
        UNREAD.set(0)

    def __bool__(self) -> bool:
        """Whether any is denied: as long as none is, nothing is looked up."""
        return bool(self._fingerprints)

    def holds(self, certificate: bytes) -> bool:
        """Whether a certificate is denied. certificate: PEM, as gRPC states its peer's."""
        return bool(self._fingerprints) and _fingerprint(certificate) in self._fingerprints

    def refuse(self, certificate: bytes) -> None:
        """Raises Fault(CERTIFICATE_DENIED) if the certificate is denied, and counts it."""
        if self.holds(certificate):
            DENIED_CALLS.inc()
            raise denied()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Reads the file again whenever it has changed, and until it can be read, for ever.

        changed: called whenever the list was read again.
        """
        assert self._file is not None, "there is a file to follow"
        while True:
            await asyncio.sleep(LOOK_S)
            # Before it is read: what is written meanwhile is seen next time.
            version = await asyncio.to_thread(_version_of, self._file)
            is_new, self._seen = version != self._seen, version
            if (is_new or self._is_unread) and await self._read_again(self._file, says=is_new):
                changed()

    async def _read_again(self, file: Path, *, says: bool) -> bool:
        """Whether it could be read. says: whether the log hears of it if not."""
        try:
            self._fingerprints = await asyncio.to_thread(read_fingerprints, file)
        except DeniedFileError as error:
            self._is_unread = True
            UNREAD.set(1)
            if says:
                _log.error("denied certificates stay as they were", problem=str(error))
            return False
        self._is_unread = False
        UNREAD.set(0)
        DENIED_CERTIFICATES.set(len(self._fingerprints))
        _log.info("denied certificates were read again", certificates=len(self._fingerprints))
        return True


def read_fingerprints(file: Path) -> frozenset[bytes]:
    """The fingerprints in a file, 32 bytes each. Raises DeniedFileError."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_BYTES_MAX + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise DeniedFileError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DeniedFileError(f"{file} is no text in UTF-8") from error
    if len(content) > _BYTES_MAX:
        raise DeniedFileError(f"{file} is larger than {_BYTES_MAX:,} bytes; it is a short list")
    found = set()
    for number, line in enumerate(text.splitlines(), start=1):
        stated = line.partition("#")[0].strip().lower()
        if not stated:
            continue
        match = _FINGERPRINT.fullmatch(stated)
        if match is None:
            raise DeniedFileError(
                f"{file}, line {number}: this is no SHA-256 fingerprint of 64 hex digits, as "
                "`openssl x509 -noout -fingerprint -sha256 -in FILE` prints it"
            )
        found.add(bytes.fromhex(match[1].replace(":", "")))
    return frozenset(found)


def denied() -> Fault:
    """What a call with a withdrawn certificate is told."""
    return Fault(
        Reason.CERTIFICATE_DENIED,
        "this certificate is withdrawn; ask the mesh's operator for another",
    )


def _version_of(file: Path) -> _Seen:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns


@lru_cache(maxsize=1024)
def _fingerprint(certificate: bytes) -> bytes:
    return sha256(ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))).digest()

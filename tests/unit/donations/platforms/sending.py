"""What all senders share: a test's gifts and refunds, keys, and ways to spoil a notice."""

import base64
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.donations.platforms.protocol import Notice, Platform, Report

NOW = datetime(2026, 9, 5, 4, 0, 0, tzinfo=UTC)

Edit = Callable[[dict[str, object]], object]


@dataclass(frozen=True)
class Gift:
    """A gift as a test thinks of it. way, rail_id: what Douyin says of the rail."""

    external_id: str = "4200001234202609051234567890"
    campaign: str = "harvest"
    project: str = "library"
    fen: int = 1234
    donor: str = "2088102122524333"
    paid: datetime = NOW - timedelta(minutes=1)
    way: str = "10"
    rail_id: str = ""


@dataclass(frozen=True)
class Dispute:
    """A dispute of a gift. status: "opened", "won" or "lost"."""

    dispute_id: str = "dp_1"
    status: str = "opened"
    fen: int = 1234
    at: datetime = NOW - timedelta(seconds=20)


@dataclass(frozen=True)
class Refund:
    """A refund of a gift. total_fen: all its refunds so far, this one included."""

    refund_id: str = "R-1"
    fen: int = 234
    total_fen: int = 234
    paid: datetime = NOW - timedelta(seconds=30)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A test key, the same for the same name."""
    return rsa.generate_private_key(65537, 2048)


def public_pem(name: str) -> bytes:
    return key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(name: str, text: bytes) -> str:
    raw = key(name).sign(text, padding.PKCS1v15(), SHA256())
    return base64.b64encode(raw).decode()


class Sender(Protocol):
    """One platform's side of the wire.

    edit changes the notice's content before it is signed.

    required: fields without which a payment's notice is malformed.
    signed_headers: those that the signature covers, or stands in.
    in_query: the notice is a GET and stands in its query; else it is a POST with a body.
    signs_spelling: the signature covers the notice byte for byte; else only what it means, so that
    another spelling of the same (as %2b for %2B) is the same notice.
    signs_time: an old notice is refused.
    names_donor: the notice says who paid.
    refunds: there are notices of refunds.
    """

    code: str
    required: tuple[str, ...]
    signed_headers: tuple[str, ...]
    in_query: bool
    signs_spelling: bool
    signs_time: bool
    names_donor: bool
    refunds: bool

    def platform(self) -> Platform: ...
    def configure(self, folder: Path) -> str:
        """Writes the key files; returns the platform's table of platforms.toml."""

    def payment(self, gift: Gift, edit: Edit | None = None, key_name: str = ...) -> Notice: ...
    def enveloped(self, gift: Gift, edit: Edit) -> Notice:
        """A payment's notice whose outermost fields are edited: before it is signed, where the
        signature does not stand among them."""

    def refund(self, gift: Gift, refund: Refund, edit: Edit | None = None) -> Notice: ...
    def forged(self, notice: Notice) -> Notice:
        """The notice with a signature of the right form that nobody made."""


def core(reports: list[Report]) -> list[tuple[object, ...]]:
    """What of reports moves money."""
    return [(type(r), r.external_id, r.amount_micros, r.currency, r.event_time) for r in reports]


def keys_of(make: Callable[[Edit], Notice]) -> list[str]:
    """The names of the fields that a notice's content is made of."""
    names: list[str] = []
    make(lambda content: names.extend(content))
    return names


def secret(name: str) -> bytes:
    """A test secret, the same for the same name."""
    return f"secretof{name}0123456789".encode()


def random_base64(size: int = 256) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()


def output_of(command: list[str], given: bytes) -> str:
    """What another program makes of given: an oracle that shares no code with ours."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs the {command[0]} command")
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode()


def content_of(sender: Sender, notice: Notice) -> bytes:
    """Where the notice's content stands: its query or its body."""
    return notice.query.encode("latin-1") if sender.in_query else notice.body


def with_content(sender: Sender, notice: Notice, content: bytes) -> Notice:
    if sender.in_query:
        return replace(notice, query=content.decode("latin-1"))
    return replace(notice, body=content)


def with_body(notice: Notice, body: bytes) -> Notice:
    return replace(notice, body=body)


def with_header(notice: Notice, name: str, value: str) -> Notice:
    return replace(notice, headers={**notice.headers, name: value})


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def shanghai(time: datetime) -> str:
    return time.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")


def rfc3339(time: datetime) -> str:
    return time.astimezone(ZoneInfo("Asia/Shanghai")).isoformat(timespec="seconds")

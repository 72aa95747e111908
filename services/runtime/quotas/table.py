"""Reading quotas.toml: what every partner may send, and what some may instead.

    [default]
    calls_per_s = 2_000

    [partners.weibo]
    gifts_per_s = 50_000

A partner's own table changes what it names; everything else is as in [default], and what is not
there either as in `Allowance`. A fault in the file stops the service at its start, with a message
that names the place: quotas that are silently others than written are worse than none.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class QuotaFileError(Exception):
    """quotas.toml is not as it must be."""


class Allowance(BaseModel):
    """What one partner may send to one server process.

    The defaults are more than one machine takes: they keep a partner that runs wild from taking
    everything, and no honest one from anything.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    calls_per_s: float = Field(default=20_000, gt=0, allow_inf_nan=False)
    # Gifts, and refunds and disputes of them, new or repeated, one by one or in batches.
    gifts_per_s: float = Field(default=1_000_000, gt=0, allow_inf_nan=False)
    bytes_per_s: float = Field(default=256 * 1024 * 1024, gt=0, allow_inf_nan=False)
    # What may be saved up of each of the three while less is sent.
    burst_s: float = Field(default=2, ge=0.1, le=3_600, allow_inf_nan=False)
    # At the same time. Half of what a server serves (MAX_CONCURRENT_CALLS) is left to the others.
    calls_at_once: int = Field(default=500, gt=0)
    # Those of them that send a stream. Each may hold some megabytes of batches.
    streams_at_once: int = Field(default=32, gt=0)


class QuotaTable:
    """Who may send what."""

    def __init__(
        self, default: Allowance | None = None, partners: Mapping[str, Allowance] | None = None
    ) -> None:
        self._default = default or Allowance()
        self._partners = dict(partners or {})

    def of(self, partner: str) -> Allowance:
        """What a partner may send."""
        return self._partners.get(partner, self._default)


def read_quotas(file: Path | None) -> QuotaTable:
    """The table in a file; without one, the defaults. Raises QuotaFileError."""
    if file is None:
        return QuotaTable()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise QuotaFileError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QuotaFileError(f"{file} is no TOML file: {error}") from error
    if unknown := sorted(document.keys() - {"default", "partners"}):
        raise QuotaFileError(f"{file}: {unknown[0]!r} is neither [default] nor [partners.<code>]")
    default = _table(file, "default", document.get("default", {}))
    partners = _require_table(file, "partners", document.get("partners", {}))
    return QuotaTable(
        _allowance(file, "default", default),
        {
            code: _allowance(
                file, f"partners.{code}", {**default, **_table(file, f"partners.{code}", values)}
            )
            for code, values in partners.items()
        },
    )


def _table(file: Path, name: str, values: object) -> dict[str, Any]:
    table = _require_table(file, name, values)
    _allowance(file, name, table)  # so that a fault is reported where it stands
    return table


def _require_table(file: Path, name: str, values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise QuotaFileError(f"{file}: {name} must be a table")
    return values


def _allowance(file: Path, name: str, values: Mapping[str, Any]) -> Allowance:
    try:
        return Allowance.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        setting = ".".join(map(str, problem["loc"]))
        raise QuotaFileError(f"{file}: [{name}] {setting}: {problem['msg']}") from error

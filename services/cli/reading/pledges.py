"""Pledges as rows, and what their orders come to."""

from collections.abc import Mapping
from decimal import Decimal

from watersmeet.donations.v1 import pledge_service_pb2 as pb

from services.cli.render import rfc3339
from services.cli.sheets.sheet import Amount, Column, Kind, Value, named

COLUMNS = (
    Column("partner", is_detail=True),
    Column("pledge"),
    Column("version", Kind.NUMBER),
    Column("percent"),
    Column("fixed", Kind.AMOUNT),
    Column("unit"),
    Column("projects"),
    Column("campaign", is_detail=True),
    Column("starts", Kind.TIME),
    Column("ends", Kind.TIME),
    Column("rounded_to", Kind.AMOUNT, is_detail=True),
)

_MILLIONTHS = 10**6
_DECIMALS = 12


def row_of(pledge: pb.Pledge) -> tuple[Value, ...]:
    """One version of a pledge: a percentage of each order's price, or a fixed sum of each."""
    is_rate = pledge.WhichOneof("gift") == "rate_ppm"
    unit = pledge.currency_code
    return (
        pledge.partner,
        pledge.code,
        pledge.version,
        f"{Decimal(pledge.rate_ppm).scaleb(-4).normalize():f}" if is_rate else None,
        None if is_rate else Amount(pledge.fixed_micros, unit),
        unit,
        ", ".join(f"{share.project} {share.weight}" for share in pledge.shares),
        pledge.campaign,
        rfc3339(pledge.start_time),
        rfc3339(pledge.end_time) if pledge.HasField("end_time") else None,
        Amount(pledge.unit_micros, unit),
    )


def facts_of(pledge: pb.Pledge) -> Mapping[str, Value]:
    """The same, each by its column's name."""
    return named(COLUMNS, row_of(pledge))


def account_facts(account: pb.PledgeAccount, unit: str) -> Mapping[str, Value]:
    """What the orders of a version come to, exactly."""
    return {
        "orders": account.orders,
        "paid": Amount(account.paid_micros, unit),
        "shares": _exact(account.share_micros, account.share_millionths, unit),
        "given": Amount(account.given_micros, unit),
        "remainder": _exact(account.remainder_micros, account.remainder_millionths, unit),
    }


def _exact(micros: int, millionths: int, unit: str) -> Value:
    """An amount that may have parts of a micro: twelve decimals, as text."""
    if not millionths:
        return Amount(micros, unit)
    whole, part = divmod(micros * _MILLIONTHS + millionths, 10**_DECIMALS)
    return f"{whole}.{part:0{_DECIMALS}}".rstrip("0")

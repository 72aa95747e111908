"""Exact amounts: a decimal on one side, whole micros (millionths of the unit) on the other."""

import re
from decimal import Decimal

MICROS_PER_UNIT = 1_000_000

_DECIMALS = 6
_INT64_MAX = 2**63 - 1
# More digits than any amount has; keeps a hostile exponent from becoming a huge number.
_DIGITS_MAX = 40
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")


def to_micros(amount: str | Decimal | int) -> int:
    """12.34 units as 12340000 micros, exactly.

    Takes a Decimal, a whole number of units, or a text such as "12.34"; never a float, because
    0.1 is none of its values. Raises TypeError for other types, and ValueError for what is no plain
    number, has more than six decimals, or is beyond 64 bits.
    """
    if isinstance(amount, bool) or not isinstance(amount, str | Decimal | int):
        raise TypeError(f"an amount is a str, Decimal or int, never a {type(amount).__name__}")
    if isinstance(amount, str) and _NUMBER.fullmatch(amount) is None:
        raise ValueError(f"{amount[:40]!r} is no amount such as '12.34'")
    number = Decimal(amount)
    if not number.is_finite():
        raise ValueError(f"{amount} is no amount")
    sign, digits, places = number.as_tuple()
    exponent = int(places)
    if exponent < -_DECIMALS:
        raise ValueError(f"{amount} has more than {_DECIMALS} decimals")
    if len(digits) + exponent > _DIGITS_MAX:
        raise ValueError("the amount is beyond 64 bits of micros")
    # By hand: Decimal's own arithmetic would round to its context's precision.
    micros: int = int("".join(map(str, digits))) * 10 ** (exponent + _DECIMALS)
    if micros > _INT64_MAX:
        raise ValueError(f"{amount} is beyond 64 bits of micros")
    return -micros if sign else micros


def from_micros(micros: int) -> Decimal:
    """12340000 micros as Decimal("12.340000"), exactly."""
    sign = 1 if micros < 0 else 0
    digits = tuple(int(digit) for digit in str(abs(micros)))
    return Decimal((sign, digits, -_DECIMALS))

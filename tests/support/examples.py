"""How many examples a property gets that costs more than a moment each."""

from hypothesis import settings

_EVERYDAY_MAX = 100


def fewer_every_day(divisor: int) -> int:
    """A part of the examples in the everyday profile; all of them where one looks harder."""
    most = settings().max_examples
    return most if most > _EVERYDAY_MAX else max(most // divisor, 5)

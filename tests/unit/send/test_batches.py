"""Gathering rows into batches."""

from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from watersmeet.client import Gift

from services.cli.sending.batches import batches
from services.cli.sending.gift_file import GiftRow

NOON = datetime(2019, 9, 5, 12, tzinfo=UTC)


def row(line: int, currency: str) -> GiftRow:
    return GiftRow(line, (), Gift(str(line), "p", 1, currency, NOON))


@given(st.lists(st.sampled_from(["CNY", "USD", "EUR", "JPY", "GBP", "CHF"])), st.integers(1, 5))
def test_every_row_is_in_one_batch_of_its_currency(codes: list[str], size: int) -> None:
    rows = [row(line, code) for line, code in enumerate(codes)]
    found = list(batches(rows, size))
    assert all(0 < len(batch.rows) <= size for batch in found)
    assert all(r.gift.currency == batch.currency for batch in found for r in batch.rows)
    assert sorted(r.line for batch in found for r in batch.rows) == list(range(len(codes)))
    for code in set(codes):
        lines = [r.line for batch in found if batch.currency == code for r in batch.rows]
        assert lines == sorted(lines)


@given(st.integers(1, 4), st.integers(2, 40))
def test_few_rows_wait(size: int, currencies: int) -> None:
    taken = 0

    def counted() -> Iterator[GiftRow]:
        nonlocal taken
        for taken in range(1, 201):
            yield row(taken, f"C{taken % currencies:02d}")

    given_out = 0
    for batch in batches(counted(), size):
        given_out += len(batch.rows)
        assert taken - given_out <= 4 * size

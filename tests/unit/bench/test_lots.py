"""The made-up gifts: repeatable, apart from one another, and in the forms that are measured."""

import struct
from dataclasses import replace
from datetime import UTC, datetime

from bench.copying import ROWS, make_transactions
from bench.lots import BATCH, Lot, make_batches, make_gifts

START = datetime(2026, 9, 5, tzinfo=UTC)
LOT = Lot("weibo", seed=1, gifts=2_000, start=START)


def ids(lot: Lot) -> list[bytes]:
    return make_gifts(lot, 30).ids.tolist()


def test_a_seed_makes_the_same_gifts_and_another_one_makes_others() -> None:
    for lot in (LOT, replace(LOT, ordered=True)):
        assert ids(lot) == ids(lot)
        assert not set(ids(lot)) & set(ids(replace(lot, seed=2)))
        assert len(set(ids(lot))) == lot.gifts
        assert {len(i) for i in ids(lot)} == {28}


def test_ordered_ids_begin_with_the_time() -> None:
    lot = replace(LOT, ordered=True)
    later = replace(lot, seed=2, start=lot.end)
    assert ids(lot)[0].startswith(b"20260905000000000")
    assert max(ids(lot)) < min(ids(later))


def test_every_tenth_gift_repeats_one_of_the_earlier_lot_whole() -> None:
    before = replace(LOT, donors=True)
    lot = replace(before, seed=2, start=LOT.end, repeats_of=before)
    earlier, gifts = make_gifts(before, 30), make_gifts(lot, 30)
    place = {i: number for number, i in enumerate(earlier.ids.tolist())}
    repeated = [number for number, i in enumerate(gifts.ids.tolist()) if i in place]
    assert repeated == list(range(0, lot.gifts, 10))
    assert lot.fresh == lot.gifts - len(repeated)
    for number in repeated:
        there = place[gifts.ids[number]]
        assert gifts.amounts_micros[number] == earlier.amounts_micros[there]
        assert gifts.times_micros[number] == earlier.times_micros[there]
        assert gifts.projects[number] == earlier.projects[there]
        assert gifts.donors[number] == earlier.donors[there]


def test_batches_hold_every_gift_with_totals_that_tie() -> None:
    lot = replace(LOT, gifts=BATCH + 5)
    gifts = make_gifts(lot, 2)
    batches = make_batches(gifts, ["a", "b"], "c")
    assert [len(batch.external_ids) for batch in batches] == [BATCH, 5]
    assert batches[1].external_ids[0] == gifts.ids[BATCH].decode()
    for batch in batches:
        assert batch.control_totals.count == len(batch.external_ids)
        assert batch.control_totals.micros == sum(batch.amounts_micros)


def test_copied_rows_are_whole_and_in_key_order() -> None:
    lot = replace(LOT, gifts=ROWS + 3, donors=True)
    transactions = make_transactions(make_gifts(lot, 30), partner_id=7)
    widths = (2, 2, 28, 8, 3, 4, 4, 8, 16, 16)
    row = 2 + sum(4 + width for width in widths)
    assert [(len(t) - 19 - 2) / row for t in transactions] == [ROWS, 3]
    keys = []
    for start in range(19, len(transactions[0]) - 2, row):
        at = start
        (count,) = struct.unpack_from(">h", transactions[0], at)
        assert count == len(widths)
        at += 2
        values = []
        for width in widths:
            assert struct.unpack_from(">i", transactions[0], at) == (width,)
            values.append(transactions[0][at + 4 : at + 4 + width])
            at += 4 + width
        keys.append((values[0], values[1], values[2]))
    assert keys == sorted(keys)
    assert {key[1] for key in keys} == {struct.pack(">h", 7)}

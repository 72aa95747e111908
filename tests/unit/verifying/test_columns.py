"""The quick way takes nothing that the careful way would not take, and says the same of it."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.columns import Reader, Unusual
from services.cli.verifying.layout import END, MARK_BYTES
from services.cli.verifying.moved import totals
from services.cli.verifying.room import FRONT, PAD, room_for
from services.cli.verifying.text import read
from tests.unit.ledger.drafts import draft, gift, refund, suspended
from tests.unit.verifying.archives import parts_of, sample

PLAIN = [
    draft(gift(7), gift(5, currency="USD"), gift(2**59, campaign="")),
    draft(gift(9), refund(2), suspended(3), metadata={"note": "a b", "gifts": "3"}),
    draft(gift(1, partner="tencent"), metadata={"digest": "0" * 64}),
    draft(),
]


def file_of(*drafts: object) -> bytes:
    """What entries.txt holds of these, all in the newest version."""
    entries = parts_of(drafts)[2].entries.entries  # type: ignore[arg-type]
    return b"".join(one.text + b"hash " + one.hash.hex().encode() + END for one in entries)


DATA = file_of(*PLAIN[:2], PLAIN[3])[: file_of(*PLAIN[:2], PLAIN[3]).index(b"watersmeet entry 1")]
HELD = {
    (code, currency): number
    for number, (code, currency) in enumerate(
        (code, currency)
        for code in (
            *(b"partner/alipay/claimed", b"partner/alipay/suspense", b"partner/tencent/claimed"),
            b"project/well/fund",
        )
        for currency in (b"CNY", b"USD")
    )
}


READER = Reader(HELD)
"""One for all tests, as a process has one for all stretches: what it saw must not change it."""


class Said(NamedTuple):
    """What of an entry's columns both ways say."""

    texts: list[bytes]
    first: int
    transfers: int
    first_time: bytes
    last_time: bytes
    last_day: bytes
    sums: list[tuple[int, int]]


def quick(data: bytes) -> Said:
    """Raises Unusual."""
    room = room_for(len(data))
    room[FRONT:-PAD] = data
    begins, ends, *others, moved = READER.read(room)
    texts = [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return Said(texts, *others, totals([moved], len(HELD)))


def careful(data: bytes) -> Said:
    """The same, entry by entry. Raises Misread or KeyError."""
    blocks = data.split(END)
    assert blocks.pop() == b""
    texts = [block[:-MARK_BYTES] for block in blocks]
    entries = list(map(read, texts))
    first = entries[0].sequence
    assert [entry.sequence for entry in entries] == list(range(first, first + len(entries)))
    times = [entry.recorded_time for entry in entries]
    assert times == sorted(times)
    sums = {name: [0, 0] for name in HELD}
    for entry in entries:
        for debit, credit, micros, currency in entry.movements:
            sums[debit, currency][0] += int(micros)
            sums[credit, currency][1] += int(micros)
    return Said(
        texts,
        first,
        sum(entry.transfers for entry in entries),
        times[0],
        times[-1],
        max(entry.day for entry in entries),
        [(debits, credits_) for debits, credits_ in sums.values()],
    )


def test_the_plain_form_is_read_at_once() -> None:
    assert quick(DATA) == careful(DATA)


def test_other_forms_are_left_to_the_careful_way() -> None:
    everything = file_of(*sample())
    for data in (everything, b"", b"\n\n", b"x", DATA[:-1], DATA + b"x", DATA[5:]):
        try:
            quick(data)
        except Unusual:
            continue
        raise AssertionError(data[:50])


@given(
    place=st.integers(0, len(DATA) - 1),
    change=st.one_of(st.integers(0, 255), st.sampled_from(list(b' \n/~0129Zaz.-_"\\:T'))),
)
def test_what_it_takes_the_careful_way_takes_too(place: int, change: int) -> None:
    data = DATA[:place] + bytes([change]) + DATA[place + 1 :]
    try:
        found = quick(data)
    except Unusual:
        return
    assert found == careful(data)


@given(st.integers(0, len(DATA) - 1), st.integers(0, 30), st.binary(max_size=3))
def test_so_it_does_where_more_is_changed(place: int, length: int, put: bytes) -> None:
    data = DATA[:place] + put + DATA[place + length :]
    try:
        found = quick(data)
    except Unusual:
        return
    assert found == careful(data)

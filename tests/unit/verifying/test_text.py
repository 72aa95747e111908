"""The texts that the ledger seals are read; nothing near them is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.text import Misread, Movement, read
from services.ledger.domain import (
    Cause,
    CauseKind,
    Dates,
    Step,
    StepKind,
    TransferName,
)
from services.ledger.journal import seal
from tests.unit.ledger.drafts import draft, gift, refund, suspended

RECORDED = datetime(2019, 9, 5, 12, 0, 1, 250_000, tzinfo=UTC)
DATES = Dates(date(2019, 9, 5), date(2019, 9, 6))


def text_of(content: bytes, dates: Dates | None = DATES, sequence: int = 7) -> bytes:
    return seal.text_of(sequence, RECORDED, dates, content)


def test_version_1_and_2() -> None:
    content = seal.content_of(draft(gift(3), suspended(4), metadata={"b": '融\\ "', "a": ""}))
    one, two = read(text_of(content, None)), read(text_of(content))
    assert (one.sequence, one.day, two.day) == (7, b"2019-09-05", b"2019-09-05")
    assert one.cause == b"MANUAL memo-1"
    assert one.movements == two.movements
    assert one.movements == [
        Movement(b"partner/alipay/claimed", b"project/well/fund", b"3", b"CNY"),
        Movement(b"partner/alipay/claimed", b"partner/alipay/suspense", b"4", b"CNY"),
    ]
    assert one.recorded_time == b"2019-09-05T12:00:01.250000Z"


def test_what_only_reserves_moves_nothing() -> None:
    name = TransferName(3, 0)
    steps = [
        Step(StepKind.HOLD, expire_time=RECORDED),
        Step(StepKind.HOLD),
        Step(StepKind.COMMIT, name),
        Step(StepKind.VOID, name),
        Step(StepKind.EXPIRE, name),
        Step(StepKind.REVERSE, name),
    ]
    transfers = [gift(n + 1)._replace(step=step) for n, step in enumerate(steps)]
    found = read(text_of(seal.content_of(draft(*transfers)._replace(reverses=3))))
    assert [movement.micros for movement in found.movements] == [b"3", b"6"]
    assert found.transfers == 6


def test_an_entry_that_decides_moves_nothing() -> None:
    for kind in CauseKind:
        decided = draft(cause=Cause(kind, "x"))._replace(transfers=())
        assert read(text_of(seal.content_of(decided))).movements == []


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9._/-]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20),
        max_size=4,
    ),
    st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=4),
    st.integers(1, 2**63 - 1),
    st.integers(0, 10**6),
)
def test_whatever_is_sealed_is_read(
    metadata: dict[str, str], amounts: list[int], sequence: int, days: int
) -> None:
    dates = Dates(date(2000, 1, 1) + timedelta(days=days % 300_000), date(2019, 9, 6))
    drafted = draft(*map(refund, amounts), metadata=metadata)
    found = read(text_of(seal.content_of(drafted), dates, sequence))
    assert found.sequence == sequence
    assert found.day == dates.value.isoformat().encode()
    assert [int(movement.micros) for movement in found.movements] == amounts


GOOD = text_of(seal.content_of(draft(gift(3), metadata={"a": "1", "b": "2"})))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"watersmeet entry 2", b"watersmeet entry 3", "head"),
        (b"sequence 7", b"Sequence 7", "line 2"),
        (b"sequence 7", b"sequence 07", "head"),
        (b"sequence 7", b"sequence +7", "head"),
        (b"book_date", b"book-date", "head"),
        (b"metadata a", b"metadata c", "order of the keys"),
        (b"metadata a", b"metadata b", "order of the keys"),
        (b'a "1"', b'a "\x01"', "no transfer's"),
        (b'a "1"', b'a "\\n"', "no transfer's"),
        (b'a "1"', b'a "\xff"', "not in UTF-8"),
        (b'a "1"', b'a "\xc2\x80"', "control character"),
        (b" 3 CNY", b" 03 CNY", "line 11 is no transfer's"),
        (b" 3 CNY", b" -3 CNY", "line 11 is no transfer's"),
        (b" 3 CNY", b" 3  CNY", "line 11 is no transfer's"),
        (b" 3 CNY", b" 3 CNy", "line 11 is no transfer's"),
        (b"T12:00:00.000000Z 1\n", b"T12:00:00.000001Z 1\n", "line 11 is no transfer's"),
        (b"Z 1\n", b"Z 1\n\n", "no transfer's"),
        (b"Z 1\n", b"Z 1", "no transfer's"),
        (b"Z 1\n", b"Z 1 ~\n", "no transfer's"),
        (b"transfer ", b"hold ", "no transfer's"),
        (b"transfer ", b"void ", "no transfer's"),
    ],
)
def test_no_other_form_is_read(old: bytes, new: bytes, told: str) -> None:
    assert old in GOOD
    with pytest.raises(Misread, match=told):
        read(GOOD.replace(old, new))

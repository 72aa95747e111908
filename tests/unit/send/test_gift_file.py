"""Reading a file of gifts: what is taken, what is malformed and where."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.client import Gift

from services.cli.sending.gift_file import GiftFile, GiftRow, MalformedRow, UnusableFileError

HEADER = "external_id,project,campaign,amount,currency,time,donor_reference"
GOOD = "a1,water,c,12.50,CNY,2019-09-05T12:00:00+08:00,d-1"


def read(folder: Path, content: str | bytes) -> list[GiftRow | MalformedRow]:
    path = folder / "gifts.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with GiftFile(path) as file:
        return list(file.rows())


def only(folder: Path, row: str) -> GiftRow | MalformedRow:
    [found] = read(folder, f"{HEADER}\n{row}\n")
    return found


def test_a_row_is_read(tmp_path: Path) -> None:
    row = only(tmp_path, GOOD)
    assert isinstance(row, GiftRow)
    assert row.line == 2
    moment = datetime(2019, 9, 5, 4, tzinfo=UTC)
    assert row.gift == Gift("a1", "water", 12_500_000, "CNY", moment, "c", "d-1")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n".encode(),
        f"{HEADER}\n\n{GOOD}".encode(),
        b"Time,note,AMOUNT,currency,project,external_id\n2019-09-05T04Z,x,+12.5,CNY,water, a1 \n",
    ],
)
def test_forms_that_mean_the_same(tmp_path: Path, content: bytes) -> None:
    [row] = read(tmp_path, content)
    assert isinstance(row, GiftRow)
    assert (row.gift.external_id, row.gift.amount_micros) == ("a1", 12_500_000)
    assert row.gift.event_time == datetime(2019, 9, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        (GOOD.replace("12.50", "12,50"), "FIELD_INVALID", "8 cells under 7"),
        (GOOD.replace("12.50", '"1,250.00"'), "FIELD_INVALID", "amount"),
        (GOOD.replace("12.50", "12.1234567"), "FIELD_INVALID", "six decimals"),
        (GOOD.replace("12.50", "1e3"), "FIELD_INVALID", "amount"),
        (GOOD.replace("12.50", ""), "FIELD_REQUIRED", "amount is empty"),
        (GOOD.replace("12.50", "9" * 5000), "AMOUNT_OVER_LIMIT", "larger"),
        (GOOD.replace("a1", " "), "FIELD_REQUIRED", "external_id is empty"),
        (GOOD.replace("CNY", "rmb"), "FIELD_INVALID", "ISO 4217"),
        (GOOD.replace("+08:00", ""), "FIELD_INVALID", "offset"),
        (GOOD.replace("2019-09-05", "05/09/2019"), "FIELD_INVALID", "ISO 8601"),
        ("a1,water", "FIELD_INVALID", "2 cells"),
        ('a1,"wa"ter,c,1,CNY,2019-09-05T04:00:00Z,', "FIELD_INVALID", "no row of a CSV"),
    ],
)
def test_malformed_rows_say_why(tmp_path: Path, row: str, reason: str, words: str) -> None:
    found = only(tmp_path, row)
    assert isinstance(found, MalformedRow)
    assert found.line == 2
    assert found.reason == reason
    assert words in found.message


def test_a_malformed_row_does_not_stop_the_rest(tmp_path: Path) -> None:
    quoted = GOOD.replace("water", '"wa\nter"')
    lines = [HEADER, GOOD, quoted, b"a\xff".decode("latin-1"), 'x,"y"z', "", GOOD]
    content = "\n".join(lines).encode("latin-1")
    found = read(tmp_path, content)
    assert [(row.line, type(row)) for row in found] == [
        (2, GiftRow),
        (3, GiftRow),
        (5, MalformedRow),
        (6, MalformedRow),
        (8, GiftRow),
    ]


def test_bytes_that_are_no_utf8_spoil_one_row(tmp_path: Path) -> None:
    bad = GOOD.encode().replace(b"water", "清水".encode("gb18030"))
    good = GOOD.replace("d-1", "水").encode()
    found = read(tmp_path, b"\n".join((HEADER.encode(), bad, good)))
    assert isinstance(found[0], MalformedRow)
    assert "not UTF-8" in found[0].message
    assert isinstance(found[1], GiftRow)
    assert found[1].gift.donor_reference == "水"


def test_an_endless_cell_spoils_itself_only(tmp_path: Path) -> None:
    content = f'{HEADER}\n"{"x" * 200_000}\n{GOOD}\n'
    found = read(tmp_path, content)
    assert isinstance(found[0], MalformedRow)
    assert isinstance(found[-1], GiftRow)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "names no column external_id"),
        ("external_id;project;amount\n", "names no column"),
        (HEADER.replace("time", "date"), "names no column time"),
        (HEADER + ",Amount", "amount more than once"),
    ],
)
def test_a_file_without_its_columns_is_refused_whole(
    tmp_path: Path, content: str, words: str
) -> None:
    with pytest.raises(UnusableFileError, match=words):
        read(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="cannot be read"):
        GiftFile(tmp_path / "none.csv")


@given(
    micros=st.integers(-(10**17), 10**17),
    moment=st.datetimes(
        datetime(1971, 1, 1),  # noqa: DTZ001 - the zone is the strategy's own
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-840, 840).map(lambda m: timezone(timedelta(minutes=m))),
    ),
)
def test_amounts_and_times_are_exact(
    tmp_path_factory: pytest.TempPathFactory, micros: int, moment: datetime
) -> None:
    folder = tmp_path_factory.getbasetemp()
    amount = f"{Decimal(micros).scaleb(-6):f}"
    row = only(folder, f"a,p,,{amount},CNY,{moment.isoformat()},")
    assert isinstance(row, GiftRow)
    assert row.gift.amount_micros == micros
    assert row.gift.event_time == moment

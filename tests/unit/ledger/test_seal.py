"""The canonical text and its hash, against vectors that sha256sum made, not this code."""

import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import (
    NO_HASH,
    Cause,
    CauseKind,
    Dates,
    EntryDraft,
    EntryId,
    Step,
    StepKind,
    Transfer,
    TransferName,
)
from services.ledger.journal import seal
from services.ledger.journal.drafts import prepare
from tests.unit.ledger.drafts import draft, gift, id_of
from tests.unit.ledger.strategies import drafts

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"
ID = "0190a5d0-ac96-774b-bcce-b302099a8057"
RECORDED = datetime(2019, 9, 5, 12, 0, 1, 250_000, tzinfo=UTC)
DATES = Dates(date(2019, 9, 5), date(2019, 9, 5))

DRAFT = EntryDraft(
    entry_id=EntryId(ID),
    cause=Cause(CauseKind.INTAKE_BATCH, ID),
    value_time=datetime(2019, 9, 5, 12, tzinfo=UTC),
    metadata={
        "note": 'says "融汇" and C:\\',
        "gifts": "2",
        "complete_until/alipay": "2019-09-05T12:00:00Z",
    },
    transfers=(
        Transfer(
            "partner/alipay/claimed",
            "project/well/fund",
            3_000_000,
            "CNY",
            "95week",
            "well",
            datetime(2019, 9, 5, 12, tzinfo=UTC),
            2,
        ),
        Transfer(
            "partner/alipay/claimed",
            "partner/alipay/suspense",
            1,
            "CNY",
            "",
            "",
            datetime(2019, 9, 5, 11, tzinfo=UTC),
            0,
        ),
    ),
)


def documented() -> tuple[str, str]:
    """The entry of docs/ledger.md, and the hash that it says sha256sum prints."""
    blocks = re.findall(r"```text\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    text, printed = blocks
    return text, printed.split()[0]


def test_the_text_is_the_documented_one() -> None:
    assert seal.text_of(1, RECORDED, DATES, seal.content_of(DRAFT)).decode() == documented()[0]


def test_the_hash_is_the_one_that_sha256sum_made() -> None:
    text = seal.text_of(1, RECORDED, DATES, seal.content_of(DRAFT))
    expected = "b3f77f838b609e6a7935acd709eb1e5d019f8e9969978810d1540449dc4033e2"
    assert seal.entry_hash(NO_HASH, text).hex() == expected == documented()[1]


def test_what_was_sealed_as_version_1_still_verifies() -> None:
    text = seal.text_of(1, RECORDED, None, seal.content_of(DRAFT))
    expected = "ee29504f16494fe12d3f07123197fa0deab7da854e297785732c1a558c2c71e8"
    assert seal.entry_hash(NO_HASH, text).hex() == expected


def test_what_a_transfer_is_begins_its_line() -> None:
    of = TransferName(7, 0)
    steps = [
        None,
        Step(StepKind.HOLD),
        Step(StepKind.HOLD, expire_time=RECORDED),
        Step(StepKind.COMMIT, of),
        Step(StepKind.VOID, of),
        Step(StepKind.EXPIRE, of),
        Step(StepKind.REVERSE, of),
    ]
    transfers = [gift(5, tally=2)._replace(step=step) for step in steps]
    lines = seal.content_of(draft(*transfers)._replace(reverses=7)).decode().splitlines()
    assert lines[3] == "reverses 7"
    moved = "partner/alipay/claimed project/well/fund 5 CNY 95week well"
    common = f"{moved} 2019-09-05T12:00:00.000000Z 2"
    assert lines[4:] == [
        f"transfer {common}",
        f"hold {common} ~",
        f"hold {common} 2019-09-05T12:00:01.250000Z",
        f"commit {common} 7/0",
        f"void {common} 7/0",
        f"expire {common} 7/0",
        f"reverse {common} 7/0",
    ]


def test_the_content_hash_is_the_one_that_sha256sum_made() -> None:
    expected = "71b7c75a1701e5d01cd0b764c04e67698d804f155123d207b0fe381e540448f8"
    assert seal.content_hash(seal.content_of(DRAFT)).hex() == expected


@pytest.mark.skipif(not shutil.which("xxd"), reason="the documented command needs xxd")
def test_the_documented_command_prints_the_documented_hash(tmp_path: Path) -> None:
    command = re.search(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert command
    text, expected = documented()
    (tmp_path / "entry.txt").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", command[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == expected


def test_every_field_is_sealed() -> None:
    transfer = gift()
    base = draft(transfer, entry_id=id_of(1), metadata={"a": "1"})
    other_time = datetime(2020, 1, 1, tzinfo=UTC)
    others = [
        draft(transfer, entry_id=id_of(2), metadata={"a": "1"}),
        draft(transfer, entry_id=id_of(1), metadata={"a": "2"}),
        draft(transfer, entry_id=id_of(1), metadata={"b": "1"}),
        draft(transfer, entry_id=id_of(1)),
        draft(transfer, entry_id=id_of(1), metadata={"a": "1"}, value_time=other_time),
        draft(
            transfer,
            entry_id=id_of(1),
            metadata={"a": "1"},
            cause=Cause(CauseKind.MANUAL, "memo-2"),
        ),
        draft(
            transfer,
            entry_id=id_of(1),
            metadata={"a": "1"},
            cause=Cause(CauseKind.INTAKE_BATCH, "memo-1"),
        ),
        draft(transfer, transfer, entry_id=id_of(1), metadata={"a": "1"}),
        base._replace(reverses=1),
        base._replace(reverses=2),
    ]
    changed: dict[str, object] = {
        "debit": "partner/tencent/claimed",
        "credit": "project/road/fund",
        "micros": 2,
        "currency": "USD",
        "campaign": "",
        "project": "road",
        "hour": None,
        "tally": 7,
        "step": Step(StepKind.HOLD),
    }
    assert changed.keys() == set(transfer._fields)
    for name, value in changed.items():
        one_off = transfer._replace(**{name: value})  # type: ignore[arg-type]
        others.append(draft(one_off, entry_id=id_of(1), metadata={"a": "1"}))
    for step in (
        Step(StepKind.HOLD, expire_time=RECORDED),
        *(Step(StepKind.COMMIT, TransferName(*of)) for of in ((1, 0), (1, 1), (2, 0))),
        *(Step(kind, TransferName(1, 0)) for kind in (StepKind.VOID, StepKind.EXPIRE)),
        Step(StepKind.REVERSE, TransferName(1, 0)),
    ):
        one_off = transfer._replace(step=step)
        others.append(draft(one_off, entry_id=id_of(1), metadata={"a": "1"}))
    contents = [seal.content_of(one) for one in [base, *others]]
    texts = {seal.text_of(1, RECORDED, DATES, content) for content in contents}
    texts.add(seal.text_of(2, RECORDED, DATES, contents[0]))
    texts.add(seal.text_of(1, other_time, DATES, contents[0]))
    texts.add(seal.text_of(1, RECORDED, None, contents[0]))
    other_day = date(2019, 9, 6)
    texts.add(seal.text_of(1, RECORDED, DATES._replace(value=other_day), contents[0]))
    texts.add(seal.text_of(1, RECORDED, DATES._replace(book=other_day), contents[0]))
    assert len(texts) == len(contents) + 5
    text = texts.pop()
    assert seal.entry_hash(NO_HASH, text) != seal.entry_hash(bytes(31) + b"\1", text)


def test_metadata_keys_are_in_the_order_of_their_bytes() -> None:
    metadata = dict.fromkeys(("b", "a_", "a.", "a-", "a/", "a0", "a"), "")
    lines = seal.content_of(draft(metadata=metadata)).decode().splitlines()
    keys = [line.split()[1] for line in lines if line.startswith("metadata ")]
    assert keys == sorted(metadata, key=str.encode)


@given(posted=st.lists(drafts(), max_size=6), sequence=st.integers(1, 10**12), days=st.data())
def test_columns_are_sealed_as_each_is(
    posted: list[EntryDraft], sequence: int, days: st.DataObject
) -> None:
    plain = [one._replace(metadata={}) for one in posted]
    moves = [prepare(one).moves for one in plain]
    contents = seal.contents_of(
        [one.entry_id for one in plain],
        [one.cause for one in plain],
        [one.value_time for one in plain],
        map(len, moves),
        iter(seal.move_lines(move for its in moves for move in its)),
    )
    assert contents == [seal.content_of(one) for one in plain]
    dates = [days.draw(st.builds(Dates, st.dates(), st.dates())) for _ in plain]
    expected, previous = [], NO_HASH
    for number, (its, content) in enumerate(zip(dates, contents, strict=True), start=sequence):
        previous = seal.entry_hash(previous, seal.text_of(number, RECORDED, its, content))
        expected.append(previous)
    assert seal.chained(NO_HASH, sequence, RECORDED, dates, contents) == expected

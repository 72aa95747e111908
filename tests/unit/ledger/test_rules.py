"""What a draft must fulfil."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ledger.domain import INT64_MAX, Cause, CauseKind
from services.ledger.journal.movements import COUNT_MAX
from services.ledger.journal.rules import TRANSFERS_MAX, require_valid, watermarks_of
from services.runtime.errors import Fault, Reason
from tests.unit.ledger.drafts import NOON, draft, gift, refund, suspended

BATCH = "0190a5d0-ac96-774b-bcce-b302099a8057"


def refusal(**about: Any) -> tuple[Reason, str | None]:
    with pytest.raises(Fault) as caught:
        require_valid(draft(*about.pop("transfers", ()), **about))
    return caught.value.reason, caught.value.metadata.get("field")


def refusal_of_transfer(**change: Any) -> tuple[Reason, str | None]:
    reason, field = refusal(transfers=(gift(), gift()._replace(**change)))
    if field is not None:
        assert field.startswith("transfers[1]")
        field = field.removeprefix("transfers[1]").removeprefix(".")
    return reason, field


def test_what_is_valid() -> None:
    hour = datetime(2000, 1, 1, tzinfo=UTC)
    require_valid(
        draft(
            gift(INT64_MAX, tally=COUNT_MAX),
            gift(campaign="", hour=hour, tally=0),
            refund(),
            suspended(),
            gift()._replace(debit="charity/a/bank", credit="partner/b/settled", hour=None),
            gift()._replace(debit="charity/a/bank", credit="partner/b/settled", project=""),
            gift()._replace(debit="project/a/fund", credit="project/b/fund", project=""),
            cause=Cause(CauseKind.INTAKE_BATCH, BATCH),
            value_time=hour,
            metadata={f"a/b-c.d_{n}": "融汇" * 128 for n in range(31)} | {"x": ""},
        )
    )
    require_valid(draft(*[gift()] * TRANSFERS_MAX))


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"cause": Cause(CauseKind.MANUAL, "")}, "cause.id"),
        ({"cause": Cause(CauseKind.MANUAL, "a b")}, "cause.id"),
        ({"cause": Cause(CauseKind.MANUAL, "融")}, "cause.id"),
        ({"cause": Cause(CauseKind.MANUAL, "a" * 129)}, "cause.id"),
        ({"cause": Cause(CauseKind.INTAKE_BATCH, "batch-7")}, "cause.id"),
        ({"cause": Cause(CauseKind.INTAKE_BATCH, BATCH.upper())}, "cause.id"),
        ({"value_time": datetime(1999, 12, 31, 23, tzinfo=UTC)}, "value_time"),
        ({"metadata": {str(n): "" for n in range(33)}}, "metadata"),
        ({"metadata": {"": ""}}, "metadata"),
        ({"metadata": {"A": ""}}, "metadata"),
        ({"metadata": {"a b": ""}}, "metadata"),
        ({"metadata": {"a" * 65: ""}}, "metadata"),
        ({"metadata": {"a": "b" * 257}}, "metadata[a]"),
        ({"metadata": {"a": "b\n"}}, "metadata[a]"),
        ({"metadata": {"a": "\0"}}, "metadata[a]"),
        ({"metadata": {"a": "\x85"}}, "metadata[a]"),
        ({"metadata": {"complete_until/": "2019-09-05T12:00:00Z"}}, "metadata[complete_until/]"),
        ({"metadata": {"complete_until/a/b": "2019-09-05T12:00:00Z"}}, None),
        ({"metadata": {"complete_until/a": "yesterday"}}, None),
        ({"metadata": {"complete_until/a": "2019-09-05T12:00:00"}}, None),
        ({"metadata": {"complete_until/a": "2019-02-30T12:00:00Z"}}, None),
        ({"metadata": {"complete_until/a": "0001-01-01T00:00:00+14:00"}}, None),
        ({"transfers": (gift(),) * (TRANSFERS_MAX + 1)}, "transfers"),
    ],
)
def test_what_is_invalid(about: dict[str, Any], field: str | None) -> None:
    reason, found = refusal(**about)
    assert reason is Reason.FIELD_INVALID
    assert found == (field or f"metadata[{next(iter(about['metadata']))}]")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"credit": "partner/alipay/claimed"}, "credit_account"),
        ({"project": "road"}, "project"),
        ({"project": ""}, "project"),
        ({"credit": "partner/alipay/suspense"}, "project"),
        ({"debit": "charity/a/bank", "credit": "partner/a/settled", "project": "A"}, "project"),
        ({"campaign": "~"}, "campaign"),
        ({"campaign": "95 week"}, "campaign"),
        ({"campaign": "a" * 65}, "campaign"),
        ({"hour": NOON + timedelta(minutes=1)}, "hour"),
        ({"hour": NOON + timedelta(microseconds=1)}, "hour"),
        ({"hour": NOON.replace(year=1999)}, "hour"),
        ({"tally": -1}, "count"),
        ({"tally": COUNT_MAX + 1}, "count"),
    ],
)
def test_what_is_invalid_in_a_transfer(change: dict[str, Any], field: str) -> None:
    assert refusal_of_transfer(**change) == (Reason.FIELD_INVALID, field)


def test_reasons_of_their_own() -> None:
    assert refusal_of_transfer(micros=0) == (Reason.AMOUNT_NOT_POSITIVE, "amount")
    assert refusal_of_transfer(micros=-1) == (Reason.AMOUNT_NOT_POSITIVE, "amount")
    assert refusal_of_transfer(currency="cny")[0] is Reason.CURRENCY_UNKNOWN
    assert refusal_of_transfer(currency="")[0] is Reason.CURRENCY_UNKNOWN
    assert refusal_of_transfer(debit="bank")[0] is Reason.ACCOUNT_NOT_IN_CHART
    assert refusal_of_transfer(credit="")[0] is Reason.ACCOUNT_NOT_IN_CHART
    assert refusal_of_transfer(hour=None) == (Reason.FIELD_REQUIRED, "hour")


def test_an_entry_without_transfers_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        require_valid(draft()._replace(transfers=()))
    assert caught.value.reason is Reason.FIELD_REQUIRED


def test_a_batch_may_state_watermarks_alone() -> None:
    batch = draft()
    alone = batch._replace(
        cause=Cause(CauseKind.INTAKE_BATCH, str(batch.entry_id)),
        transfers=(),
        metadata={"complete_until/weibo": "2019-09-05T12:00:00Z"},
    )
    assert not any(require_valid(alone))
    for other in (
        alone._replace(metadata={"gifts": "0"}),
        alone._replace(cause=Cause(CauseKind.MANUAL, "memo-1")),
        alone._replace(reverses=1),
    ):
        with pytest.raises(Fault):
            require_valid(other)


def test_watermarks_are_read_as_utc() -> None:
    metadata = {
        "complete_until/alipay": "2019-09-05T20:00:00+08:00",
        "complete_until/tencent": "2019-09-05T12:00:00.25Z",
        "gifts": "3",
    }
    valid = draft(metadata=metadata)
    require_valid(valid)
    assert watermarks_of(valid.metadata) == {
        "alipay": NOON,
        "tencent": NOON + timedelta(milliseconds=250),
    }

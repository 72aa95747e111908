"""Whatever a page token holds, a list of the ledger answers with a page or says that it is bad."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from watersmeet.ledger.v1 import (
    account_service_pb2,
    audit_service_pb2,
    feed_service_pb2,
    hold_service_pb2,
    ledger_service_pb2,
    log_service_pb2,
    period_service_pb2,
    reversal_service_pb2,
    statement_service_pb2,
)

from services.runtime.errors import Reason
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, posting
from tests.support.page_tokens import contents, forged, let_tokens_pass, lists_of, outcomes

LISTS = lists_of(
    account_service_pb2,
    audit_service_pb2,
    feed_service_pb2,
    hold_service_pb2,
    ledger_service_pb2,
    log_service_pb2,
    period_service_pb2,
    reversal_service_pb2,
    statement_service_pb2,
)
ACCOUNT = {"code": "project/well/fund", "currency_code": "CNY"}
ASKED: Mapping[str, Any] = {"ListHolds": ACCOUNT, "GetStatement": {"filter": ACCOUNT}}


@pytest.fixture(autouse=True)
async def _a_gift(ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await ledger.PostEntries(posting(draft()))
    let_tokens_pass(monkeypatch)


@pytest.mark.parametrize("parts", [[], ["x"], [None], [1.5, True], [{}], [-1], [2**63], ["\0"], 7])
async def test_what_no_list_gives_out_is_refused(connect: Connect, parts: object) -> None:
    found = await outcomes(connect("finance", "local"), LISTS, ASKED, forged(parts))
    if parts == ["x"]:
        assert found.pop("/watersmeet.ledger.v1.PeriodService/ListPeriods") is None
    assert set(found.values()) == {Reason.PAGE_TOKEN_INVALID}, found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=contents())
async def test_a_forged_token_is_borne_or_refused(connect: Connect, parts: object) -> None:
    found = await outcomes(connect("finance", "local"), LISTS, ASKED, forged(parts))
    assert set(found.values()) <= {None, Reason.PAGE_TOKEN_INVALID}, found

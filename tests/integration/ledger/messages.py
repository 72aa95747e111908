"""Messages for the ledger over the wire."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.type.v1 import money_pb2

from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Fault
from services.runtime.status import fault_from_rpc_error
from tests.unit.ledger.drafts import NOON, new_id


def money(micros: int = 1_000_000, currency: str = "CNY") -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code=currency, micros=micros)


def transfer(hour: datetime | None = NOON, **fields: Any) -> pb.Transfer:
    """A gift of alipay's to the well; fields stand in the place of its own."""
    stamp = {"hour": stamp_of(hour)} if hour else {}
    return pb.Transfer(
        **{
            "debit_account": "partner/alipay/claimed",
            "credit_account": "project/well/fund",
            "amount": money(),
            "campaign": "95week",
            "project": "well",
            "count": 1,
            **stamp,
            **fields,
        }
    )


def draft(*transfers: pb.Transfer, **fields: Any) -> pb.EntryDraft:
    """A manual entry; one gift if no transfer is given."""
    return pb.EntryDraft(
        **{
            "entry_id": str(new_id()),
            "cause": pb.Cause(kind=pb.CAUSE_KIND_MANUAL, id="memo-1"),
            "value_time": stamp_of(NOON),
            "transfers": transfers or (transfer(),),
            **fields,
        }
    )


def posting(*drafts: pb.EntryDraft) -> pb.PostEntriesRequest:
    """A call that posts them."""
    return pb.PostEntriesRequest(request_id=str(uuid4()), entries=drafts)


async def fault_of(call: Any) -> Fault:
    """What a call fails with, whether it answers once or streams."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return fault_from_rpc_error(error)
    raise AssertionError("the call did not fail")


async def fault_of_reading(stream: Any) -> Fault:
    """What a stream of which some messages were read fails with."""
    try:
        while True:
            await stream.read()
    except grpc.aio.AioRpcError as error:
        return fault_from_rpc_error(error)

"""`watersmeet pledges`: what merchants pledge of their orders, and what the orders come to."""

import uuid
from collections.abc import Mapping
from typing import Annotated

import typer
from watersmeet.donations.v1 import pledge_service_pb2 as pb
from watersmeet.donations.v1 import pledge_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.balances import amount_of
from services.cli.reading.pledges import COLUMNS, account_facts, facts_of, row_of
from services.cli.render import rfc3339
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present, present_one
from services.cli.sheets.sheet import Column, Kind, Sheet, Value

_TIMEOUT_S = 60.0

pledges = typer.Typer(
    help="Show merchants' pledges and what their orders come to, and give what was cut off.",
    no_args_is_help=True,
)

Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="alipay, say.")]
Code = Annotated[str, typer.Argument(metavar="PLEDGE", help="The partner's code of it.")]
Version = Annotated[
    int, typer.Option(min=0, metavar="N", help="Its version. (the newest)", show_default=False)
]

_GIFTS = (
    Column("external_id"),
    Column("project"),
    Column("amount", Kind.AMOUNT),
    Column("unit"),
)


@pledges.command("list")
def list_pledges(
    partner: Partner,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List a partner's pledges, all versions. What is pledged never changes within a version."""
    request = pb.ListPledgesRequest(partner=partner)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.PledgeServiceStub(channel)
        rows = map(row_of, listed(stub.ListPledges, request, timeout_s=_TIMEOUT_S))
        present(Sheet("pledges", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@pledges.command()
def show(
    partner: Partner,
    code: Code,
    version: Version = 0,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Show a pledge with the exact account of its orders: shares = given + remainder.

    Refunds are not taken off what was given.
    """
    request = pb.GetPledgeRequest(partner=partner, code=code, version=version)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.PledgeServiceStub(channel)
        found = stub.GetPledge(request, timeout=_TIMEOUT_S)
    unit = found.pledge.currency_code
    present_one({**facts_of(found.pledge), **account_facts(found.account, unit)}, as_json=as_json)


@pledges.command("give-remainder")
def give_remainder(
    partner: Partner,
    code: Code,
    version: Version = 0,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Give the whole units of what was cut off from a pledge's orders, as its partner.

    When a period closes, and when the pledge has ended. What is given once is no remainder any
    more, so it may be asked as often as one likes.
    """
    with asking(mesh, "donations", "partner", partner) as channel:
        stub = pb_grpc.PledgeServiceStub(channel)
        request = pb.GiveRemainderRequest(request_id=str(uuid.uuid4()), code=code, version=version)
        answer = stub.GiveRemainder(request, timeout=_TIMEOUT_S)
    unit = answer.given.currency_code
    facts: Mapping[str, Value] = {
        "partner": partner,
        "pledge": code,
        "given_now": amount_of(answer.given),
        "unit": unit,
    }
    present_one({**facts, **account_facts(answer.account, unit)}, as_json=as_json)


@pledges.command()
def order(
    partner: Partner,
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="The partner's id of it.")],
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Show an order that a buyer has confirmed, and the gifts that were made of it."""
    request = pb.GetOrderRequest(partner=partner, order_id=order_id)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.PledgeServiceStub(channel)
        found = stub.GetOrder(request, timeout=_TIMEOUT_S)
    gifts = [
        (gift.external_id, gift.project, amount_of(gift.amount), gift.amount.currency_code)
        for gift in found.gifts
    ]
    present_one(_facts(found), [Sheet("gifts", _GIFTS, gifts)], as_json=as_json)


def _facts(found: pb.GetOrderResponse) -> Mapping[str, Value]:
    return {
        "partner": found.partner,
        "order": found.order_id,
        "paid": amount_of(found.paid),
        "unit": found.paid.currency_code,
        "confirmed": rfc3339(found.event_time),
        "pledge": found.pledge,
        "version": found.pledge_version,
        "shopper_known": "yes" if found.has_participant else "no",
    }

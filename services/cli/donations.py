"""`watersmeet donations`: the gifts that a partner has reported."""

from typing import Annotated

import typer
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.gifts import COLUMNS, row_of
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Sheet

_TIMEOUT_S = 60.0


def donations(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="weibo, say.")],
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List a partner's gifts, each with what was refunded of it and where its money is.

    `watersmeet donation PARTNER ID` shows one with all that became of it.
    """
    request = pb.ListDonationsRequest(partner=partner)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.DonationIntakeServiceStub(channel)
        rows = map(row_of, listed(stub.ListDonations, request, timeout_s=_TIMEOUT_S))
        present(Sheet("donations", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)

"""`watersmeet reports`: which reports of gifts a partner has sent, and which of them count."""

from typing import Annotated

import typer
from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading.reports import COLUMNS, row_of
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present
from services.cli.sheets.sheet import Sheet

_TIMEOUT_S = 60.0


def reports(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="weibo, say.")],
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List a partner's reports of gifts. Of several about one gift exactly one counts."""
    request = pb.ListReportsRequest(partner=partner)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.LifeServiceStub(channel)
        rows = map(row_of, listed(stub.ListReports, request, timeout_s=_TIMEOUT_S))
        present(Sheet("reports", COLUMNS, rows), as_json=as_json, as_csv=as_csv, xlsx=xlsx)

"""`watersmeet donor`: a donor's contact, read for a stated purpose, or erased."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from watersmeet.donations.v1 import donor_service_pb2 as pb
from watersmeet.donations.v1 import donor_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import THIS_PERSON, Person, Request, told_request
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.render import moment, print_json, rfc3339
from services.cli.sheets.present import AsJson, show_facts
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 30.0
_REFERENCE_CHARACTERS_MAX = 128

donor = typer.Typer(
    help="Read a donor's contact for a stated purpose, or erase it, as finance.",
    no_args_is_help=True,
)

Partner = Annotated[str, typer.Argument(metavar="PARTNER", help="Who knows the donor: weibo, say.")]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="REFERENCE",
        help="The partner's reference to the donor; - reads it from standard input, so that it "
        "stands in no shell's history.",
    ),
]


class Purpose(StrEnum):
    """Why a contact is read."""

    RECEIPT = "receipt"
    REFUND = "refund"
    INQUIRY = "inquiry"
    LEGAL = "legal"


@donor.command()
def contact(
    partner: Partner,
    reference: Reference,
    purpose: Annotated[Purpose, typer.Option(help="Why it is read.")],
    case: Annotated[
        str, typer.Option(metavar="ID", help="The case in your own files: RCPT-2026-00017, say.")
    ],
    request: Request = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Show a donor's contact. Who reads it, when and why is written down for ever."""
    asked = pb.GetDonorRequest(
        partner=partner,
        donor_reference=_reference(reference),
        purpose=pb.ReadingPurpose.Value(f"READING_PURPOSE_{purpose.name}"),
        case_reference=case,
    )
    with asking(mesh, "donations", "finance", person) as channel:
        asked.request_id = str(told_request(request))
        answer = pb_grpc.DonorServiceStub(channel).GetDonor(asked, timeout=_TIMEOUT_S)
    known = {
        "name": answer.contact.name,
        "phone": answer.contact.phone,
        "email": answer.contact.email,
        "address": answer.contact.address,
        "learned": rfc3339(answer.update_time),
        "recorded": rfc3339(answer.recorded_time),
    }
    if as_json:
        print_json(known)
    else:
        show_facts(make_console(), known)


@donor.command()
def erase(
    partner: Partner,
    reference: Reference,
    yes: Annotated[
        bool, typer.Option("--yes", help="It is meant so: what is erased cannot come back.")
    ] = False,
    request: Request = None,
    person: Person = THIS_PERSON,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Erase a donor's contact for ever, and refuse any other for this reference. Gifts stay.

    Nothing asks: without --yes nothing is done.
    """
    if not yes:
        raise Fault(
            Reason.FIELD_REQUIRED,
            "what is erased cannot come back; say --yes if it is meant so",
            field="yes",
        )
    asked = pb.EraseDonorRequest(partner=partner, donor_reference=_reference(reference))
    with asking(mesh, "donations", "finance", person) as channel:
        request = told_request(request)
        asked.request_id = str(request)
        answer = pb_grpc.DonorServiceStub(channel).EraseDonor(asked, timeout=_TIMEOUT_S)
    if as_json:
        print_json({"erase_time": rfc3339(answer.erase_time), "request_id": str(request)})
    else:
        make_console().print(f"Erased at {moment(answer.erase_time)}.")


def _reference(given: str) -> str:
    if given != "-":
        return given
    # One more than any reference has: what is too long is refused by the service, not cut.
    return sys.stdin.readline(4 * _REFERENCE_CHARACTERS_MAX).rstrip("\n")

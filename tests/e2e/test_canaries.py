"""Personal data goes nowhere: marked data is sent through every way in, and looked for everywhere.

The services are processes of a real mesh, at the most talkative log level.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from google.protobuf.text_format import MessageToString
from watersmeet.donations.v1 import catalog_service_pb2 as catalog_pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donor_service_pb2 as donor_pb
from watersmeet.donations.v1 import review_service_pb2 as review_pb
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.donor_service_pb2_grpc import DonorServiceStub
from watersmeet.donations.v1.review_service_pb2_grpc import ReviewServiceStub
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub

from services.donations.platforms.protocol import Notice
from services.runtime.supervisor.mesh import Mesh
from services.runtime.supervisor.services import STAGES, Service, Stages
from tests.e2e.canaries import ADDRESS, BUYER_ID, EMAIL, NAME, OPENID, PERSONAL, PHONE, found_in
from tests.e2e.canary_orders import report_orders
from tests.e2e.witness import Witness, metrics_of, tables_of
from tests.integration.donations.messages import (
    batch,
    donation_request,
    opening,
    refund_request,
    request_id,
    stamp,
)
from tests.unit.donations.gifts import a_gift, a_refund
from tests.unit.donations.platforms import senders
from tests.unit.donations.platforms.senders import SENDERS, Gift, Refund, with_content

_TIMEOUT_S = 15.0
NOW_MICROS = int(senders.NOW.timestamp()) * 1_000_000
CONTACT = donor_pb.DonorContact(name=NAME, phone=PHONE, email=EMAIL, address=ADDRESS)
PAYMENT = Gift(campaign="", project="water", donor=OPENID)

# What is written down as it comes, in a field that is no place for a person: not used there.
_CODE = BUYER_ID


def stages() -> Stages:
    """The mesh's own, with intake at the senders' time."""
    module = "tests.e2e.intake_in_2026"
    (ledger, donations), *rest = STAGES
    command = (sys.executable, "-m", module)
    moved = Service(donations.name, donations.calls, has_database=True, command=command)
    return ((ledger, moved), *rest)


def make_platforms(folder: Path) -> None:
    tables = [sender.configure(folder) for sender in SENDERS]
    (folder / "platforms.toml").write_text("\n".join(tables), encoding="utf-8")


async def fill_catalog(witness: Witness) -> None:
    """A project, so that money moves to one."""
    async with witness.channel("operator", "local") as channel:
        stub: Any = CatalogServiceStub(channel)
        charity = catalog_pb.Charity(code="aid", name="Aid")
        await stub.CreateCharity(
            catalog_pb.CreateCharityRequest(request_id=request_id(), charity=charity), timeout=10
        )
        project = catalog_pb.Project(code="water", name="Water", charity="aid")
        await stub.CreateProject(
            catalog_pb.CreateProjectRequest(request_id=request_id(), project=project), timeout=10
        )


async def report_gifts(witness: Witness) -> None:
    """Gifts, refunds and streams, with donors in their place and out of it."""
    async with witness.channel("partner", "weibo") as channel:
        stub: Any = DonationIntakeServiceStub(channel)
        gift = replace(a_gift("good"), event_time_micros=NOW_MICROS)
        for donor in (OPENID, OPENID, PHONE):  # once, a repeat, a conflict
            await witness.call(
                stub.RecordDonation(donation_request(gift, donor_reference=donor), timeout=10)
            )
        for canary in PERSONAL:
            fields = ["partner", "request_id"]
            fields += [] if canary == _CODE else ["project", "campaign"]
            fields += ["external_id"] if " " in canary or not canary.isascii() else []
            for field in fields:
                bad = donation_request(gift, **{field: canary})
                assert await witness.call(stub.RecordDonation(bad, timeout=10)) is None, field
            bad = donation_request(gift, donor_reference=canary * 60)
            assert await witness.call(stub.RecordDonation(bad, timeout=10)) is None
            bad = donation_request(gift)
            bad.amount.currency_code = canary
            assert await witness.call(stub.RecordDonation(bad, timeout=10)) is None
            refund = replace(a_refund(external_id="good"), event_time_micros=NOW_MICROS)
            for field in ("partner", "request_id"):
                bad_refund = refund_request(refund, **{field: canary})
                assert await witness.call(stub.RecordRefund(bad_refund, timeout=10)) is None
            for page in (
                pb.ListDonationsRequest(page_token=canary),
                pb.ListDonationsRequest(partner=canary),
            ):
                assert await witness.call(stub.ListDonations(page, timeout=10)) is None
            wanted = pb.GetDonationRequest(external_id=canary)
            assert await witness.call(stub.GetDonation(wanted, timeout=10)) is None
            metadata = (("x-request-id", quote(canary)),)
            await witness.call(stub.GetDonation(wanted, timeout=10, metadata=metadata))
            unknown = channel.unary_unary(f"/watersmeet.{quote(canary)}/Get")
            assert await witness.call(unknown(b"", timeout=10)) is None
        await stream(witness, stub)
        witness.said += await report_orders(channel, witness.call, NOW_MICROS)


async def stream(witness: Witness, stub: Any) -> None:
    """Batches with donors, among them refused and conflicting rows; and openings of bad form."""
    gifts = [
        replace(a_gift(f"s{number}"), event_time_micros=NOW_MICROS)
        for number in range(len(PERSONAL))
    ]
    rows = batch(0, gifts, donor_references=list(PERSONAL))
    conflicting = batch(len(gifts), gifts, donor_references=list(reversed(PERSONAL)))
    long = [canary * 60 for canary in PERSONAL]
    refused = batch(2 * len(gifts), gifts, donor_references=long)
    call = stub.StreamDonations(iter([opening("all"), rows, conflicting, refused]), timeout=10)
    answers = [str(answer) async for answer in call]
    assert len(answers) == 4
    witness.said += answers
    for canary in PERSONAL:
        starts = [
            [opening(request_id=canary)],
            [opening("all"), batch(0, gifts, currency_code=canary)],
        ]
        if canary != _CODE:
            starts.append([opening(canary)])
            starts.append([opening("all"), batch(0, gifts, projects=[canary])])
            starts.append([opening("all"), batch(0, gifts, campaigns=[canary])])
        for first in starts:
            await witness.call(drain(stub.StreamDonations(iter(first), timeout=10), witness))


async def drain(call: Any, witness: Witness) -> None:
    async for answer in call:
        witness.said.append(str(answer))


async def send_contacts(witness: Witness) -> None:
    """Contacts: kept, repeated, contradicted, read, of bad form, erased."""

    def put(**changes: Any) -> donor_pb.PutDonorRequest:
        fields: dict[str, Any] = {
            "request_id": request_id(),
            "donor_reference": OPENID,
            "contact": CONTACT,
            "update_time": stamp(NOW_MICROS),
        }
        return donor_pb.PutDonorRequest(**(fields | changes))

    async with witness.channel("partner", "weibo") as channel:
        stub: Any = DonorServiceStub(channel)
        for _ in range(2):
            assert await witness.call(stub.PutDonor(put(), timeout=10)) is not None
        for bad in (
            put(contact=donor_pb.DonorContact(name=PHONE)),  # a conflict
            put(update_time=None),
            *(put(request_id=canary) for canary in PERSONAL),
            *(put(partner=canary) for canary in PERSONAL),
            *(put(donor_reference=canary * 60) for canary in PERSONAL),
            *(
                put(contact=donor_pb.DonorContact(**{field: f"\n{canary * 60}"}))
                for field in ("name", "phone", "email", "address")
                for canary in PERSONAL
            ),
        ):
            assert await witness.call(stub.PutDonor(bad, timeout=10)) is None
    async with witness.channel("finance", "local") as channel:
        office: Any = DonorServiceStub(channel)
        reading = donor_pb.GetDonorRequest(
            request_id=request_id(), partner="weibo", donor_reference=OPENID, purpose=1
        )
        assert await witness.call(office.GetDonor(reading, timeout=10)) is None
        for canary in (NAME, PHONE, ADDRESS):
            reading.case_reference = canary
            assert await witness.call(office.GetDonor(reading, timeout=10)) is None
        reading.case_reference = "RCPT-1"
        assert (await office.GetDonor(reading, timeout=10)).contact == CONTACT
        for canary in PERSONAL:
            erasure = donor_pb.EraseDonorRequest(
                request_id=request_id(), partner=canary, donor_reference=canary
            )
            assert await witness.call(office.EraseDonor(erasure, timeout=10)) is None
        erasure.partner = "weibo"
        erasure.donor_reference = PHONE
        assert await witness.call(office.EraseDonor(erasure, timeout=10)) is not None
        reading.donor_reference = PHONE
        assert await witness.call(office.GetDonor(reading, timeout=10)) is None


async def send_notices(witness: Witness) -> None:
    """Every platform's notices: genuine, repeated, contradicting, forged, spoilt, of nobody."""
    refund = Refund()
    everyone = {"name": NAME, "phone": PHONE, "email": EMAIL, "address": ADDRESS}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as session:
        for number, sender in enumerate(SENDERS):
            code = sender.code
            gift = replace(PAYMENT, donor=BUYER_ID if code == "alipay" else OPENID)
            good = sender.payment(gift, edit=lambda fields: fields.update(everyone))
            assert await witness.post(session, code, good) == 200, code
            assert await witness.post(session, code, good) == 200, code
            other = replace(gift, donor=PHONE, fen=99)
            assert await witness.post(session, code, sender.payment(other)) == 200, code
            if sender.refunds:
                given_back = sender.refund(gift, refund, edit=lambda f: f.update(everyone))
                assert await witness.post(session, code, given_back) == 200, code
            spoilt = [
                sender.forged(good),
                sender.payment(replace(gift, external_id=f"{NAME} {number}")),
                sender.payment(gift, edit=lambda fields: fields.clear() or fields.update(everyone)),
                with_content(sender, good, everything().encode()),
                replace(
                    good, headers={**good.headers, "x-donor": quote(NAME), "user-agent": EMAIL}
                ),
                replace(good, query=f"{good.query}&name={quote(NAME)}&phone={quote(PHONE)}"),
                Notice("POST", f"openid={OPENID}", {"x-donor": EMAIL}, everything().encode()),
            ]
            for notice in spoilt:
                await witness.post(session, code, notice)
        for canary in PERSONAL:
            nobody = Notice("POST", "", {}, everything().encode())
            assert await witness.post(session, canary, nobody) == 404
            for path in (f"/{quote(canary)}", f"/v1/totals?campaign={quote(canary)}"):
                url = f"{witness.mesh.state.http_url}{path}"
                async with session.get(url, headers={"x-request-id": quote(canary)}) as answer:
                    assert answer.status in (200, 400, 404)


def everything() -> str:
    return json.dumps(PERSONAL, ensure_ascii=False)


async def ask_for_what_is_not_there(witness: Witness) -> None:
    """Names in the place of codes, ids and accounts."""
    async with (
        witness.channel("operator", "local") as intake,
        witness.channel("operator", "local", "ledger") as ledger,
    ):
        catalog: Any = CatalogServiceStub(intake)
        books: Any = LedgerServiceStub(ledger)
        for canary in PERSONAL:
            for call in (
                catalog.GetProject(catalog_pb.GetProjectRequest(code=canary), timeout=10),
                catalog.ListProjects(catalog_pb.ListProjectsRequest(page_token=canary), timeout=10),
                books.GetBalance(
                    ledger_pb.GetBalanceRequest(code=canary, currency_code="CNY"), timeout=10
                ),
                books.GetEntry(ledger_pb.GetEntryRequest(entry_id=canary), timeout=10),
            ):
                await witness.call(call)


async def review(witness: Witness) -> None:
    """What finance sees of conflicts and quarantine, contents apart; and each notice read again."""
    async with witness.channel("finance", "local") as channel:
        stub: Any = ReviewServiceStub(channel)
        conflicts = await stub.ListConflicts(review_pb.ListConflictsRequest(), timeout=10)
        listed = await stub.ListQuarantine(review_pb.ListQuarantineRequest(), timeout=10)
        assert conflicts.conflicts
        assert listed.notices
        # As a log shows them, and as text that is not escaped.
        witness.said += [str(conflicts), str(listed), MessageToString(listed, as_utf8=True)]
        for notice in listed.notices:
            replay = review_pb.ReplayQuarantineRequest(request_id=request_id(), id=notice.id)
            witness.said.append(str(await stub.ReplayQuarantine(replay, timeout=10)))
        for canary in PERSONAL:
            for call in (
                stub.GetQuarantined(review_pb.GetQuarantinedRequest(id=canary), timeout=10),
                stub.ListConflicts(review_pb.ListConflictsRequest(page_token=canary), timeout=10),
                stub.ListQuarantine(review_pb.ListQuarantineRequest(page_token=canary), timeout=10),
            ):
                assert await witness.call(call) is None


async def entries_of(witness: Witness) -> str:
    """The ledger's entries as it tells them."""
    async with witness.channel("finance", "local", "ledger") as channel:
        stub: Any = LedgerServiceStub(channel)
        page = await stub.ListEntries(ledger_pb.ListEntriesRequest(page_size=1000), timeout=10)
        return str(page)


async def test_personal_data_shows_up_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("DONATIONS", "LEDGER", "GATEWAY"):
        monkeypatch.setenv(f"WATERSMEET_{service}_LOG_LEVEL", "DEBUG")
    heard: list[str] = []
    async with Mesh(
        tmp_path / "state",
        stages=stages(),
        make_platforms=make_platforms,
        report=lambda part, event: heard.append(f"{part} {event}"),
    ) as mesh:
        witness = Witness(mesh)
        await fill_catalog(witness)
        await report_gifts(witness)
        await send_contacts(witness)
        await send_notices(witness)
        await review(witness)
        await ask_for_what_is_not_there(witness)
        evidence: dict[str, str] = {
            "answers": "\n".join(witness.said),
            "the supervisor's report": "\n".join(heard),
            "entries": await entries_of(witness),
            **await metrics_of(mesh),
            # Quarantine keeps notices as they came, by design and for finance alone.
            **tables_of(mesh, "donations", but=("quarantine",)),
            **tables_of(mesh, "ledger"),
        }
        quarantine = tables_of(mesh, "donations")["table donations.quarantine"]
        restarts = mesh.restarts
    for log in sorted((tmp_path / "state" / "logs").iterdir()):
        evidence[f"log of {log.stem}"] = log.read_text(encoding="utf-8")

    assert "\n".join(found_in(evidence)) == ""
    # The search works, and what was sent came in.
    assert len(list(found_in({"quarantine": quarantine}))) == len(PERSONAL)
    assert witness.refused > 100
    assert restarts == {}
    assert len(evidence["table donations.donations"].splitlines()) > len(SENDERS)
    assert len(evidence["table donations.pledged_orders"].splitlines()) == len(PERSONAL)
    assert (
        '"method":"/watersmeet.donations.v1.DonorService/PutDonor"' in evidence["log of donations"]
    )
    assert "watersmeet_quarantined_total" in evidence["metrics of donations"]
    assert evidence["entries"].count("entry_id") > 0

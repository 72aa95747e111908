"""The catalog and the audit's bridge, over mutual TLS."""

import asyncio
import uuid
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import batch_service_pb2, donation_intake_service_pb2
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1.batch_service_pb2_grpc import BatchServiceStub
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.type.v1.purpose_pb2 import PURPOSE_APPEAL, PURPOSE_CHARITY, Purpose

from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import donation_request, refund_request, stamp
from tests.integration.donations.test_intake_service import fault_of
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

CHARITY = pb.Charity(
    code="fund", name="一个基金会", unified_social_credit_code="91330100799655058B"
)
PROJECT = pb.Project(code="trees", name="Trees", charity="fund", purpose=PURPOSE_CHARITY)
APPEAL = pb.Project(code="knee", name="膝", purpose=PURPOSE_APPEAL, organiser="qingsongchou")
CAMPAIGN = pb.Campaign(
    code="95",
    name="95公益周",
    start_time=stamp(NOW_MICROS - 10**12),
    end_time=stamp(NOW_MICROS + 10**12),
    time_zone="Asia/Shanghai",
)


@pytest.fixture
def catalog(connect: Connect) -> Any:
    return CatalogServiceStub(connect("operator", "local"))


def create(kind: str, value: Any) -> Any:
    request = getattr(pb, f"Create{kind}Request")
    return request(request_id=str(uuid.uuid4()), **{kind.lower(): value})


async def test_what_is_created_is_found_and_may_be_created_again(catalog: Any) -> None:
    for kind, value in (
        ("Charity", CHARITY),
        ("Project", PROJECT),
        ("Project", APPEAL),
        ("Campaign", CAMPAIGN),
    ):
        for _ in range(2):
            answer = await getattr(catalog, f"Create{kind}")(create(kind, value), timeout=5)
            assert getattr(answer, kind.lower()) == value
        wanted = getattr(pb, f"Get{kind}Request")(code=value.code)
        found = await getattr(catalog, f"Get{kind}")(wanted, timeout=5)
        assert getattr(found, kind.lower()) == value


async def test_who_does_not_say_the_purpose_means_charity(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    unsaid = pb.Project(code="trees", name="Trees", charity="fund")
    for given in (unsaid, PROJECT):
        answer = await catalog.CreateProject(create("Project", given), timeout=5)
        assert answer.project == PROJECT
    appeal = pb.Project(
        code="trees", name="Trees", purpose=PURPOSE_APPEAL, organiser="qingsongchou"
    )
    fault = await fault_of(catalog.CreateProject(create("Project", appeal), timeout=5))
    assert fault.reason is Reason.CODE_TAKEN


def certificate(
    number: str = "42", first: str = "2018-09-06", last: str = "2021-09-05"
) -> pb.Certificate:
    return pb.Certificate(number=number, valid_from=first, valid_until=last)


def adding(charity: str, added: pb.Certificate | None) -> pb.AddCertificateRequest:
    return pb.AddCertificateRequest(
        request_id=str(uuid.uuid4()), charity=charity, certificate=added
    )


def closing(project: str, micros: int | None) -> pb.CloseProjectRequest:
    return pb.CloseProjectRequest(
        request_id=str(uuid.uuid4()),
        code=project,
        close_time=None if micros is None else stamp(micros),
    )


async def test_certificates_are_added_and_kept(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    first, renewed = certificate(), certificate("43", "2021-08-01", "2024-07-31")
    for added in (renewed, first, renewed, first):
        answer = await catalog.AddCertificate(adding("fund", added), timeout=5)
    expected = pb.Charity()
    expected.CopyFrom(CHARITY)
    expected.certificates.extend([first, renewed])
    assert answer.charity == expected
    # Who creates the charity again hears of them, too.
    again = await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    found = await catalog.GetCharity(pb.GetCharityRequest(code="fund"), timeout=5)
    listed = await catalog.ListCharities(pb.ListCharitiesRequest(), timeout=5)
    assert again.charity == found.charity == listed.charities[1] == expected
    assert list(listed.charities[0].certificates) == []


async def test_of_one_certificate_added_many_times_at_once_there_is_one(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    added = [certificate(last=f"2021-09-0{day}") for day in (5, 6)] * 5
    answers = await asyncio.gather(
        *(catalog.AddCertificate(adding("fund", each), timeout=10) for each in added),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, pb.AddCertificateResponse) for answer in answers) == 5
    found = await catalog.GetCharity(pb.GetCharityRequest(code="fund"), timeout=5)
    assert len(found.charity.certificates) == 1


async def test_a_charitys_gifts_wait_in_suspense_while_it_is_not_qualified(
    catalog: Any, connect: Connect, ledger: LedgerProcess
) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    await catalog.CreateProject(create("Project", PROJECT), timeout=5)

    async def outcome(external_id: str) -> int:
        request = donation_request(a_gift(external_id, project="trees"))
        return int((await intake.RecordDonation(request, timeout=5)).outcome)

    assert await outcome("before") == donation_intake_service_pb2.OUTCOME_SUSPENDED
    await catalog.AddCertificate(adding("fund", certificate(last="2019-09-04")), timeout=5)
    assert await outcome("over") == donation_intake_service_pb2.OUTCOME_SUSPENDED
    await catalog.AddCertificate(
        adding("fund", certificate("43", "2019-09-05", "2019-09-05")), timeout=5
    )
    assert await outcome("valid") == donation_intake_service_pb2.OUTCOME_ACCEPTED
    # What was recorded before stays where it is.
    assert await outcome("before") == donation_intake_service_pb2.OUTCOME_REPLAYED
    suspense = ("partner/weibo/claimed", "partner/weibo/suspense")
    fund = ("partner/weibo/claimed", "project/trees/fund")
    await eventually(lambda: ledger.ledger.micros() == {suspense: 2 * 1_230_000, fund: 1_230_000})


async def test_an_appeals_gifts_stand_in_its_own_account(
    catalog: Any, connect: Connect, ledger: LedgerProcess
) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "qingsongchou"))
    await catalog.CreateProject(create("Project", APPEAL), timeout=5)
    gift = a_gift(partner="qingsongchou", project="knee")
    await intake.RecordDonation(donation_request(gift), timeout=5)
    await intake.RecordRefund(refund_request(a_refund(partner="qingsongchou")), timeout=5)
    claimed, fund = "partner/qingsongchou/claimed", "appeal/knee/fund"
    await eventually(
        lambda: ledger.ledger.micros() == {(claimed, fund): 1_230_000, (fund, claimed): 230_000}
    )


async def test_a_project_closes_once_and_its_gifts_then_go_to_suspense(
    catalog: Any, connect: Connect
) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    requests = [closing("water", NOW_MICROS + micros) for micros in (2 * 10**6, 0, 0)]
    for request in requests:
        closed = (await catalog.CloseProject(request, timeout=5)).project
        assert closed.close_time == request.close_time
    for micros, outcome in ((-1, "ACCEPTED"), (0, "SUSPENDED")):
        gift = a_gift(str(micros), event_time_micros=NOW_MICROS + micros)
        answer = await intake.RecordDonation(donation_request(gift), timeout=5)
        assert donation_intake_service_pb2.Outcome.Name(answer.outcome) == f"OUTCOME_{outcome}"
    fault = await fault_of(catalog.CloseProject(closing("water", NOW_MICROS + 1), timeout=5))
    assert fault.reason is Reason.PROJECT_CLOSED
    assert fault.metadata["close_time"] == "2019-09-05T12:00:00+00:00"
    # Each decision is kept, with who made it; what changes nothing is none.
    wanted = pb.GetProjectRequest(code="water")
    closures = (await catalog.GetProject(wanted, timeout=5)).project.closures
    assert list(closures) == [
        pb.ProjectClosure(
            close_time=request.close_time,
            decide_time=stamp(NOW_MICROS),
            caller="operator/local",
            request_id=request.request_id,
        )
        for request in requests[:2]
    ]
    assert closed.closures == closures
    partner = CatalogServiceStub(connect("partner", "weibo"))
    told = (await partner.GetProject(wanted, timeout=5)).project.closures
    assert [(one.close_time, one.caller, one.request_id) for one in told] == [
        (request.close_time, "", "") for request in requests[:2]
    ]


async def test_who_says_when_a_project_closes_as_it_is_made_is_kept(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    closing_soon = pb.Project(
        code="soon",
        name="Soon",
        charity="fund",
        purpose=PURPOSE_CHARITY,
        close_time=stamp(NOW_MICROS + 1),
    )
    request = create("Project", closing_soon)
    for _ in range(2):
        await catalog.CreateProject(request, timeout=5)
    found = (await catalog.GetProject(pb.GetProjectRequest(code="soon"), timeout=5)).project
    [closure] = found.closures
    assert (closure.caller, closure.request_id) == ("operator/local", request.request_id)


async def test_of_what_was_decided_before_nobody_is_known(catalog: Any, urls: DatabaseUrls) -> None:
    await catalog.CloseProject(closing("water", NOW_MICROS + 1), timeout=5)
    with psycopg.connect(urls.owner) as connection:
        connection.execute("DELETE FROM closure_decisions")
    found = (await catalog.GetProject(pb.GetProjectRequest(code="water"), timeout=5)).project
    [closure] = found.closures
    assert (closure.close_time, closure.caller) == (stamp(NOW_MICROS + 1), "")


async def test_a_code_is_never_used_twice(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    other = pb.Charity(code="fund", name="Another")
    fault = await fault_of(catalog.CreateCharity(create("Charity", other), timeout=5))
    assert fault.reason is Reason.CODE_TAKEN
    other_project = pb.Project(code="water", name="Water", charity="fund")
    fault = await fault_of(catalog.CreateProject(create("Project", other_project), timeout=5))
    assert fault.reason is Reason.CODE_TAKEN


async def test_what_is_wrong_is_said(catalog: Any, connect: Connect) -> None:
    for call, request, reason in (
        ("CreateCharity", create("Charity", None), Reason.FIELD_REQUIRED),
        (
            "CreateCharity",
            create("Charity", pb.Charity(code="x", name="X", unified_social_credit_code="1")),
            Reason.FIELD_INVALID,
        ),
        ("CreateProject", create("Project", PROJECT), Reason.CHARITY_NOT_FOUND),
        (
            "CreateProject",
            create("Project", pb.Project(code="x", name="X", charity="aid", purpose=2)),
            Reason.FIELD_REQUIRED,
        ),
        (
            "CreateProject",
            create("Project", pb.Project(code="x", name="X", purpose=Purpose.ValueType(9))),
            Reason.FIELD_INVALID,
        ),
        (
            "CreateCampaign",
            create("Campaign", pb.Campaign(code="x", name="X")),
            Reason.FIELD_REQUIRED,
        ),
        (
            "CreateCampaign",
            create(
                "Campaign",
                pb.Campaign(
                    code="x",
                    name="X",
                    start_time=Timestamp(seconds=10**15),
                    end_time=stamp(1),
                    time_zone="Asia/Shanghai",
                ),
            ),
            Reason.FIELD_INVALID,
        ),
        ("GetCharity", pb.GetCharityRequest(code="nothing"), Reason.CHARITY_NOT_FOUND),
        ("GetProject", pb.GetProjectRequest(code="nothing"), Reason.PROJECT_NOT_FOUND),
        ("GetCampaign", pb.GetCampaignRequest(code="nothing"), Reason.CAMPAIGN_NOT_FOUND),
        ("GetProject", pb.GetProjectRequest(), Reason.FIELD_REQUIRED),
        (
            "CreateCharity",
            create("Charity", pb.Charity(code="x", name="X", certificates=[certificate()])),
            Reason.FIELD_INVALID,
        ),
        ("AddCertificate", adding("nothing", certificate()), Reason.CHARITY_NOT_FOUND),
        ("AddCertificate", adding("aid", certificate()), Reason.FIELD_INVALID),
        ("AddCertificate", adding("aid", None), Reason.FIELD_REQUIRED),
        ("AddCertificate", adding("", certificate()), Reason.FIELD_REQUIRED),
        ("AddCertificate", adding("aid", certificate(first="")), Reason.FIELD_REQUIRED),
        ("AddCertificate", adding("aid", certificate(first="20190905")), Reason.FIELD_INVALID),
        ("AddCertificate", adding("aid", certificate(last="2021-02-29")), Reason.FIELD_INVALID),
        ("CloseProject", closing("nothing", NOW_MICROS), Reason.PROJECT_NOT_FOUND),
        ("CloseProject", closing("water", None), Reason.FIELD_REQUIRED),
        ("CloseProject", closing("water", NOW_MICROS - 1), Reason.FIELD_INVALID),
        ("CloseProject", closing("closed", NOW_MICROS), Reason.PROJECT_CLOSED),
        ("ListProjects", pb.ListProjectsRequest(page_token="x"), Reason.PAGE_TOKEN_INVALID),
        ("ListProjects", pb.ListProjectsRequest(page_size=-1), Reason.FIELD_INVALID),
    ):
        fault = await fault_of(getattr(catalog, call)(request, timeout=5))
        assert fault.reason is reason, (call, fault)
    partner = CatalogServiceStub(connect("partner", "weibo"))
    for refused in (
        partner.CreateCharity(create("Charity", CHARITY), timeout=5),
        partner.AddCertificate(adding("aid", certificate()), timeout=5),
        partner.CloseProject(closing("water", NOW_MICROS), timeout=5),
    ):
        assert (await fault_of(refused)).reason is Reason.PERMISSION_DENIED


async def test_lists_come_in_pages_by_code(catalog: Any) -> None:
    await catalog.CreateCharity(create("Charity", CHARITY), timeout=5)
    codes = [f"p{number:02}" for number in range(7)]
    for code in reversed(codes):
        project = pb.Project(code=code, name=code, charity="fund")
        await catalog.CreateProject(create("Project", project), timeout=5)
    found, token = [], ""
    while True:
        page = await catalog.ListProjects(
            pb.ListProjectsRequest(page_size=3, page_token=token), timeout=5
        )
        assert len(page.projects) <= 3
        found += [project.code for project in page.projects]
        token = page.next_page_token
        if not token:
            break
    assert found == ["books", "closed", *codes, "surgery", "water"]
    assert len((await catalog.ListCharities(pb.ListCharitiesRequest(), timeout=5)).charities) == 2
    assert len((await catalog.ListCampaigns(pb.ListCampaignsRequest(), timeout=5)).campaigns) == 2


async def test_a_new_project_takes_gifts_at_once(catalog: Any, connect: Connect) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    project = pb.Project(code="trees", name="Trees", charity="aid")
    await catalog.CreateProject(create("Project", project), timeout=5)
    answer = await intake.RecordDonation(donation_request(a_gift(project="trees")), timeout=5)
    assert answer.outcome == donation_intake_service_pb2.OUTCOME_ACCEPTED


async def test_batches_are_added_up_for_the_auditor(
    connect: Connect, ledger: LedgerProcess
) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    await intake.RecordDonation(donation_request(a_gift(campaign="week")), timeout=5)
    await intake.RecordRefund(refund_request(a_refund()), timeout=5)
    await eventually(lambda: len(ledger.ledger.entries) == 2)
    stub: Any = BatchServiceStub(connect("service", "ledger"))

    async def summaries(after: str = "") -> list[batch_service_pb2.SummarizeBatchesResponse]:
        request = batch_service_pb2.SummarizeBatchesRequest(after_batch_id=after)
        return [summary async for summary in stub.SummarizeBatches(request, timeout=5)]

    async with asyncio.timeout(10):  # the ledger has them a moment before intake knows
        while not all(summary.posted for summary in await summaries()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    gift, refund = await summaries()
    entry = ledger.ledger.entries[gift.batch_id]
    assert gift.digest.hex() == entry.metadata["digest"]
    assert gift.gifts == int(entry.metadata["gifts"]) == 1
    [line] = gift.lines
    [transfer] = entry.transfers
    assert line.kind == batch_service_pb2.BATCH_LINE_KIND_GIFT
    assert (line.partner, line.campaign, line.project) == ("weibo", "week", "water")
    assert (line.currency_code, line.micros, line.count) == ("CNY", 1_230_000, 1)
    assert (line.hour, line.micros) == (transfer.hour, transfer.amount.micros)
    assert refund.gifts == 0
    assert [line.kind for line in refund.lines] == [batch_service_pb2.BATCH_LINE_KIND_REFUND]
    assert await summaries(gift.batch_id) == [refund]
    assert await summaries(refund.batch_id) == []

    request = batch_service_pb2.SummarizeBatchesRequest(after_batch_id="x")
    fault = await fault_of(stub.SummarizeBatches(request, timeout=5).read())
    assert fault.reason is Reason.FIELD_INVALID
    partner: Any = BatchServiceStub(connect("partner", "weibo"))
    fault = await fault_of(partner.SummarizeBatches(request, timeout=5).read())
    assert fault.reason is Reason.PERMISSION_DENIED

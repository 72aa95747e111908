"""Donors' contacts, over mutual TLS: sealed, read, wrapped anew, erased."""

import asyncio
import uuid
from collections import Counter
from datetime import UTC, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from watersmeet import client
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import donor_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.donor_service_pb2_grpc import DonorServiceStub

from services.donations.desks.donors import Rewrapper
from services.donations.domain import moment_of
from services.donations.donors.keys import KeyRing
from services.donations.donors.vault import Vault
from services.donations.store.donors import DonorStore
from services.runtime.database import open_engine
from services.runtime.errors import Reason
from services.runtime.server import Server
from services.runtime.status import fault_from_rpc_error
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import donation_request, request_id, stamp
from tests.integration.donations.test_intake_service import fault_of
from tests.support.clock import FixedClock
from tests.support.identities import Certificates
from tests.unit.donations.gifts import NOW_MICROS, a_gift

NAME, PHONE = "李小明", "+86 138 0013 8000"
REFERENCE = "openid-oUpF8uMuAJO"
HOUR_MICROS = 3_600_000_000


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonorServiceStub(connect("partner", "weibo"))


@pytest.fixture
def finance(connect: Connect) -> Any:
    return DonorServiceStub(connect("finance", "local"))


def put(name: str = NAME, learned: int = NOW_MICROS, **changes: Any) -> pb.PutDonorRequest:
    fields: dict[str, Any] = {
        "request_id": request_id(),
        "donor_reference": REFERENCE,
        "contact": pb.DonorContact(name=name, phone=PHONE),
        "update_time": stamp(learned),
    }
    return pb.PutDonorRequest(**(fields | changes))


def get(**changes: Any) -> pb.GetDonorRequest:
    fields = {"request_id": request_id(), "donor_reference": REFERENCE} | changes
    return pb.GetDonorRequest(**fields)


def for_receipt(**changes: Any) -> pb.GetDonorRequest:
    stated = {
        "partner": "weibo",
        "purpose": pb.READING_PURPOSE_RECEIPT,
        "case_reference": "RCPT-2026-00017",
    }
    return get(**(stated | changes))


def erase(**changes: Any) -> pb.EraseDonorRequest:
    fields = {"request_id": request_id(), "donor_reference": REFERENCE} | changes
    return pb.EraseDonorRequest(**fields)


def rows(urls: DatabaseUrls, table: str) -> list[Any]:
    with psycopg.connect(urls.owner) as connection:
        return connection.execute(f"SELECT * FROM {table}".encode()).fetchall()


def books(urls: DatabaseUrls) -> tuple[list[Any], list[Any]]:
    return rows(urls, "donations"), [batch[:4] for batch in rows(urls, "batches")]


async def test_a_contact_is_kept_sealed_and_shown_to_its_partner(
    weibo: Any, clock: FixedClock, urls: DatabaseUrls
) -> None:
    request = put()
    assert (await weibo.PutDonor(request, timeout=5)).outcome == pb.PUT_DONOR_OUTCOME_STORED
    assert (await weibo.PutDonor(request, timeout=5)).outcome == pb.PUT_DONOR_OUTCOME_REPLAYED
    found = await weibo.GetDonor(get(), timeout=5)
    assert found.contact == request.contact
    assert found.update_time == request.update_time
    assert found.recorded_time.ToDatetime(UTC) == clock()
    [row] = rows(urls, "donors")
    for secret in (NAME, PHONE, REFERENCE):
        assert secret.encode() not in b"".join(cell for cell in row if isinstance(cell, bytes))
    assert rows(urls, "donor_readings") == []


async def test_the_latest_contact_stands_in_whatever_order_they_come(weibo: Any) -> None:
    for number, order in enumerate(permutations((1, 2, 3))):
        reference = f"donor-{number}"
        for hours in order:
            request = put(str(hours), hours * HOUR_MICROS + 10**15, donor_reference=reference)
            await weibo.PutDonor(request, timeout=5)
        found = await weibo.GetDonor(get(donor_reference=reference), timeout=5)
        assert found.contact.name == "3"
    outdated = put("1", HOUR_MICROS + 10**15, donor_reference="donor-0")
    answer = await weibo.PutDonor(outdated, timeout=5)
    assert answer.outcome == pb.PUT_DONOR_OUTCOME_OUTDATED
    fault = await fault_of(
        weibo.PutDonor(put("x", 3 * HOUR_MICROS + 10**15, donor_reference="donor-0"), timeout=5)
    )
    assert fault.reason is Reason.DONOR_CONFLICT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": NAME}, Reason.REQUEST_ID_INVALID),
        ({"partner": "xiaomi"}, Reason.PARTNER_MISMATCH),
        ({"donor_reference": ""}, Reason.FIELD_REQUIRED),
        ({"contact": None}, Reason.FIELD_REQUIRED),
        ({"contact": pb.DonorContact(email=NAME * 100)}, Reason.FIELD_INVALID),
        ({"update_time": None}, Reason.FIELD_REQUIRED),
        ({"update_time": stamp(NOW_MICROS + HOUR_MICROS)}, Reason.FIELD_INVALID),
    ],
)
async def test_bad_contacts_are_refused(
    weibo: Any, urls: DatabaseUrls, changes: dict[str, Any], reason: Reason
) -> None:
    fault = await fault_of(weibo.PutDonor(put(**changes), timeout=5))
    assert fault.reason is reason
    assert NAME not in fault.message + str(fault.metadata)
    assert rows(urls, "donors") == []


async def test_finance_reads_for_a_stated_reason_which_is_written_down(
    weibo: Any, finance: Any, urls: DatabaseUrls, clock: FixedClock
) -> None:
    fault = await fault_of(finance.GetDonor(for_receipt(), timeout=5))
    assert fault.reason is Reason.DONOR_NOT_FOUND
    await weibo.PutDonor(put(), timeout=5)
    for silent in ({"purpose": 0}, {"case_reference": ""}, {"partner": ""}):
        fault = await fault_of(finance.GetDonor(for_receipt(**silent), timeout=5))
        assert fault.reason is Reason.FIELD_REQUIRED
    assert rows(urls, "donor_readings") == []
    request = for_receipt()
    for _ in range(2):  # a retry is the same reading
        assert (await finance.GetDonor(request, timeout=5)).contact.phone == PHONE
    [*row, _] = rows(urls, "donor_readings")[0]  # the last is its seal
    assert row[3:] == [
        uuid.UUID(request.request_id),
        "finance/local",
        pb.READING_PURPOSE_RECEIPT,
        "RCPT-2026-00017",
        clock(),
    ]
    assert len(rows(urls, "donor_readings")) == 1


@pytest.mark.parametrize(
    ("reader", "changes"),
    [
        ("local", {"case_reference": "RCPT-2026-00018"}),
        ("local", {"purpose": pb.READING_PURPOSE_LEGAL}),
        ("other", {}),
    ],
)
async def test_a_request_id_hides_no_other_reading(
    connect: Connect, urls: DatabaseUrls, weibo: Any, reader: str, changes: dict[str, Any]
) -> None:
    await weibo.PutDonor(put(), timeout=5)
    request = for_receipt()
    finance: Any = DonorServiceStub(connect("finance", "local"))
    await finance.GetDonor(request, timeout=5)
    again: Any = DonorServiceStub(connect("finance", reader))
    other = for_receipt(request_id=request.request_id, **changes)
    fault = await fault_of(again.GetDonor(other, timeout=5))
    assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, "request_id")
    assert len(rows(urls, "donor_readings")) == 1


async def test_partners_know_only_their_own_donors(connect: Connect, weibo: Any) -> None:
    await weibo.PutDonor(put(), timeout=5)
    xiaomi = DonorServiceStub(connect("partner", "xiaomi"))
    assert (await fault_of(xiaomi.GetDonor(get(), timeout=5))).reason is Reason.DONOR_NOT_FOUND
    for call in (
        xiaomi.GetDonor(get(partner="weibo"), timeout=5),
        xiaomi.EraseDonor(erase(partner="weibo"), timeout=5),
    ):
        assert (await fault_of(call)).reason is Reason.PARTNER_MISMATCH
    await xiaomi.EraseDonor(erase(), timeout=5)  # its own donor of the same reference
    assert (await weibo.GetDonor(get(), timeout=5)).contact.name == NAME


@pytest.mark.parametrize(
    ("role", "partner"), [("partner", ""), ("finance", "weibo"), ("operator", "weibo")]
)
async def test_erasing_destroys_key_and_contact_for_good_and_leaves_the_books_whole(
    connect: Connect, urls: DatabaseUrls, clock: FixedClock, weibo: Any, role: str, partner: str
) -> None:
    intake: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    gift = donation_request(a_gift(), donor_reference=REFERENCE)
    await intake.RecordDonation(gift, timeout=5)
    await weibo.PutDonor(put(), timeout=5)
    before = books(urls)
    eraser: Any = DonorServiceStub(connect(role, "weibo" if role == "partner" else "local"))
    erased = (await eraser.EraseDonor(erase(partner=partner), timeout=5)).erase_time
    assert erased.ToDatetime(UTC) == clock()
    clock.advance(timedelta(minutes=1))
    assert (await eraser.EraseDonor(erase(partner=partner), timeout=5)).erase_time == erased

    [row] = rows(urls, "donors")
    name = "weibo" if role == "partner" else "local"
    # The last is its seal.
    assert row[3:-1] == (None, None, None, None, None, erased.ToDatetime(UTC), f"{role}/{name}")
    for call in (
        weibo.GetDonor(get(), timeout=5),
        weibo.PutDonor(put(), timeout=5),
        weibo.PutDonor(put("Another", NOW_MICROS + 1), timeout=5),
    ):
        assert (await fault_of(call)).reason is Reason.DONOR_ERASED
    # A repeated report is still a repeat, and the gift is as it was.
    again = await intake.RecordDonation(gift, timeout=5)
    assert again.outcome == intake_pb.OUTCOME_REPLAYED
    assert books(urls) == before


async def test_of_many_at_once_the_latest_stands(weibo: Any, urls: DatabaseUrls) -> None:
    puts = [put(str(number), NOW_MICROS - number) for number in range(20)] * 2
    answers = await asyncio.gather(*(weibo.PutDonor(one, timeout=10) for one in puts))
    outcomes = Counter(answer.outcome for answer in answers)
    assert outcomes[pb.PUT_DONOR_OUTCOME_STORED] >= 1
    assert outcomes[pb.PUT_DONOR_OUTCOME_REPLAYED] >= 1
    assert (await weibo.GetDonor(get(), timeout=5)).contact.name == "0"
    assert len(rows(urls, "donors")) == 1


async def test_an_erasure_among_many_contacts_wins(weibo: Any, urls: DatabaseUrls) -> None:
    puts = [put(str(number), NOW_MICROS - number) for number in range(20)]
    calls = [weibo.PutDonor(one, timeout=10) for one in puts]
    calls.insert(10, weibo.EraseDonor(erase(), timeout=10))
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, grpc.aio.AioRpcError):
            assert fault_from_rpc_error(answer).reason is Reason.DONOR_ERASED
        else:
            assert not isinstance(answer, BaseException), answer
    [row] = rows(urls, "donors")
    assert row[3:8] == (None,) * 5
    assert (await fault_of(weibo.GetDonor(get(), timeout=5))).reason is Reason.DONOR_ERASED


async def test_the_partners_client_puts_and_erases(
    server: Server, certificates: Certificates, weibo: Any
) -> None:
    files = certificates.settings_for("partner", "weibo")
    async with client.connect(
        server.address,
        ca=files["ca_file"],
        certificate=files["certificate_file"],
        key=files["key_file"],
    ) as partner:
        contact = client.DonorContact(name=NAME)
        learned = moment_of(NOW_MICROS)
        answer = await partner.put_donor(REFERENCE, contact, learned)
        assert answer.outcome == pb.PUT_DONOR_OUTCOME_STORED
        assert (await weibo.GetDonor(get(), timeout=5)).contact == contact
        await partner.erase_donor(REFERENCE)
        with pytest.raises(client.WatersmeetError) as caught:
            await partner.put_donor(REFERENCE, contact, learned)
        assert caught.value.reason == "DONOR_ERASED"
        with pytest.raises(ValueError, match="zone"):
            await partner.put_donor(REFERENCE, contact, learned.replace(tzinfo=None))


async def test_erasing_comes_before_the_contact_as_well(weibo: Any, finance: Any) -> None:
    fault = await fault_of(finance.EraseDonor(erase(partner="weibo"), timeout=5))
    assert fault.reason is Reason.DONOR_NOT_FOUND  # a partner that is not heard of yet
    await weibo.EraseDonor(erase(), timeout=5)
    assert (await fault_of(weibo.PutDonor(put(), timeout=5))).reason is Reason.DONOR_ERASED


async def test_the_database_holds_no_erased_donor_with_a_key(urls: DatabaseUrls) -> None:
    with (
        psycopg.connect(urls.service) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(
            "INSERT INTO donors (bucket, partner_id, donor_token, wrapped_key, erase_time) "
            "VALUES (0, 1, 'x', 'k', now())"
        )


async def test_a_new_key_takes_over_and_the_old_one_may_go(
    weibo: Any, urls: DatabaseUrls, tmp_path: Path
) -> None:
    references = [f"donor-{number}" for number in range(7)]
    for reference in references:
        await weibo.PutDonor(put(donor_reference=reference), timeout=5)
    await weibo.EraseDonor(erase(donor_reference=references[0]), timeout=5)
    folder = tmp_path / "donor-keys"
    (folder / "2.key").write_bytes(b"2" * 32)
    engine = open_engine(urls.service, name="test", pool_size=2)
    keys, store = KeyRing.load(folder), DonorStore(engine)
    assert await store.key_ids() == ["1"]
    assert await Rewrapper(store, Vault(keys), keys).rewrap() == 6
    assert await Rewrapper(store, Vault(keys), keys).rewrap() == 0
    assert await store.key_ids() == ["2"]
    await engine.dispose()
    # The running service has the old key alone, and says so.
    fault = await fault_of(weibo.GetDonor(get(donor_reference=references[1]), timeout=5))
    assert fault.reason is Reason.DONOR_KEY_MISSING


async def test_what_cannot_be_wrapped_anew_is_left_as_it_is(
    weibo: Any, urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.desks.donors._PAGE", 2)
    for number in range(5):
        await weibo.PutDonor(put(donor_reference=f"donor-{number}"), timeout=5)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            "UPDATE donors SET wrapped_key = 'broken' WHERE donor_token = "
            "(SELECT min(donor_token::text)::bytea FROM donors)"
        )
    engine = open_engine(urls.service, name="test", pool_size=2)
    store = DonorStore(engine)
    both = KeyRing({"1": bytes(range(32, 64)), "2": b"2" * 32})
    assert await Rewrapper(store, Vault(both), both).rewrap() == 4
    assert await store.count_wrapped_by("1") == 1
    new = KeyRing({"3": b"3" * 32})
    assert await Rewrapper(store, Vault(new), new).rewrap() == 0
    assert await store.key_ids() == ["1", "2"]
    await engine.dispose()


async def test_a_contact_that_was_tampered_with_is_a_defect_and_shows_nothing(
    weibo: Any, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    await weibo.PutDonor(put(), timeout=5)
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE donors SET update_time = update_time + interval '1 s'")
    fault = await fault_of(weibo.GetDonor(get(), timeout=5))
    assert fault.reason is Reason.INTERNAL
    shown = capsys.readouterr()
    assert NAME not in shown.err + shown.out

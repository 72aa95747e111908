"""Made-up entries of two transfers each, as requests that are built before the clock starts.

The first transfer is a gift (it moves totals), the second a platform's fee (it moves none). Hot are
three partners' accounts, two a transfer; cold are the projects' funds.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.type.v1.money_pb2 import Money

CURRENCY = "CNY"
PARTNERS = ("weibo", "tencent", "alipay")
COLD = 1_000
TRANSFERS = 2
"""Of each entry."""

# Gifts that are being told now were made in this hour or the one before.
_HOURS = 2


@dataclass(frozen=True, slots=True)
class Entries:
    """Which entries. seed: other entries for another one.

    partners, projects: over how many of each they are spread. gifts_only: both transfers are gifts,
    so that with one partner and one project all is on two accounts.
    """

    seed: int
    count: int
    partners: int = len(PARTNERS)
    projects: int = COLD
    gifts_only: bool = False


def make_requests(entries: Entries, entries_a_call: int) -> list[pb.PostEntriesRequest]:
    """Calls that post them, so many a call."""
    drafts = list(_drafts(entries))
    return [
        pb.PostEntriesRequest(
            request_id=str(uuid.uuid4()), entries=drafts[first : first + entries_a_call]
        )
        for first in range(0, len(drafts), entries_a_call)
    ]


def _drafts(entries: Entries) -> Iterator[pb.EntryDraft]:
    random_ = random.Random(entries.seed)  # noqa: S311  the same entries for the same seed
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [_stamp(now - timedelta(hours=hour)) for hour in range(_HOURS)]
    value_time = _stamp(now)
    cause = pb.Cause(kind=pb.CAUSE_KIND_MANUAL, id="bench")
    for _ in range(entries.count):
        partner = PARTNERS[random_.randrange(entries.partners)]
        project = f"project-{random_.randrange(entries.projects)}"
        hour = hours[random_.randrange(_HOURS)]
        gift = pb.Transfer(
            debit_account=f"partner/{partner}/claimed",
            credit_account=f"project/{project}/fund",
            amount=Money(currency_code=CURRENCY, micros=random_.randrange(1, 10**9)),
            campaign="bench",
            project=project,
            hour=hour,
            count=random_.randrange(1, 1_000),
        )
        fee = pb.Transfer(
            debit_account=f"partner/{partner}/fees",
            credit_account=f"partner/{partner}/settled",
            amount=Money(currency_code=CURRENCY, micros=random_.randrange(1, 10**6)),
        )
        yield pb.EntryDraft(
            entry_id=str(uuid.UUID(int=random_.getrandbits(128), version=4)),
            cause=cause,
            value_time=value_time,
            transfers=(gift, gift if entries.gifts_only else fee),
        )


def _stamp(time: datetime) -> Timestamp:
    return Timestamp(seconds=int(time.timestamp()))

"""The books as they are in the end, without how they came there: for comparing two ways.

Left out are ids and times of this system's own, and what passed through an account without staying.
Of contradicting reports one stands and the others are claims; which of them it is may depend on the
order, so they are dumped together.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from services.donations.domain import Line, moment_of
from services.donations.life.recorded import RecordedGift
from services.donations.life.transitions import movements_of
from services.ledger.domain import Transfer
from services.ledger.journal.totals import changes_of
from tests.integration.donations.parts import Parts


async def canonical(parts: Parts, gifts: Iterable[tuple[str, str]]) -> str:
    """What is in the books of these gifts, by partner and id, and of all batches in the outbox."""
    lines = [line for batch in await parts.outbox.due(parts.clock(), 10**6) for line in batch.lines]
    there = await _recorded(parts, gifts)
    found = []
    for partner, external_id in sorted(set(gifts)):
        gift = None
        if partner_id := there.get((partner, external_id)):
            recorded = await parts.reader.life(partner, partner_id, external_id)
            assert recorded is not None, "it is in the table"
            gift = _gift(recorded)
        found.append([partner, external_id, gift])
    dump = {
        "balances": balances(lines),
        "totals": totals(lines),
        "gifts": found,
        "claims": await _claims(parts, gifts),
    }
    return json.dumps(dump, indent=1, sort_keys=True, default=str)


def balances(lines: Iterable[Line]) -> Mapping[str, int]:
    """Debits less credits of each account that holds anything."""
    held: Counter[str] = Counter()
    for line in lines:
        for debit, credit in movements_of(line):
            held[f"{debit} {line.currency}"] += line.micros
            held[f"{credit} {line.currency}"] -= line.micros
    return {account: micros for account, micros in held.items() if micros}


def totals(lines: Iterable[Line]) -> Mapping[str, object]:
    """Each cell of the ledger's totals that is not empty."""
    transfers = [
        Transfer(
            debit,
            credit,
            line.micros,
            line.currency,
            line.campaign,
            line.project,
            moment_of(line.hour * 3_600_000_000),
            line.gift_count,
        )
        for line in lines
        for debit, credit in movements_of(line)
    ]
    return {
        str(cell): list(change) for cell, change in changes_of(transfers).items() if any(change)
    }


def _gift(recorded: RecordedGift) -> object:
    allocation = recorded.allocation
    return {
        "gift": str(recorded.gift),
        "state": recorded.state.name,
        "suspended": recorded.suspended,
        "allocated": allocation and (allocation.project, allocation.campaign),
        "refunded": recorded.refunded_micros,
        "refunds": sorted(
            (refund.partner, refund.refund_id, refund.amount_micros, refund.batch_id is None)
            for refund in recorded.refunds
        ),
        "disputes": sorted(map(str, recorded.disputes)),
        "stages": sorted(map(str, recorded.stages)),
        "reports": [
            (report.partner, report.external_id, report.amount_micros, report.counts)
            for report in recorded.reports
        ],
        "moved": sorted(_net(recorded).items()),
    }


def _net(recorded: RecordedGift) -> Mapping[str, int]:
    net: Counter[str] = Counter()
    for move in recorded.moves:
        name = move.kind.name
        net[name.removesuffix("_BACK")] += -move.micros if name.endswith("_BACK") else move.micros
    return {name: micros for name, micros in net.items() if micros}


async def _recorded(
    parts: Parts, gifts: Iterable[tuple[str, str]]
) -> Mapping[tuple[str, str], int]:
    """Those of the gifts that are recorded, and their partners' ids; mostly a few of many."""
    rows = await parts.query(
        "SELECT a.code, d.external_id, a.id FROM donations d "
        "JOIN partners a ON a.id = d.partner_id WHERE d.external_id = ANY(:keys)",
        keys=sorted({external_id for _, external_id in gifts}),
    )
    return {(code, external_id): partner_id for code, external_id, partner_id in rows}


async def _claims(parts: Parts, gifts: Iterable[tuple[str, str]]) -> list[object]:
    keys = {external_id for _, external_id in gifts}
    rows = await parts.query(
        "SELECT a.code, c.external_id, c.refund_id, c.reason, c.claim FROM conflicts c "
        "JOIN partners a ON a.id = c.partner_id WHERE c.external_id = ANY(:keys)",
        keys=sorted(keys),
    )
    return sorted(json.dumps([*row[:4], row[4]], sort_keys=True) for row in rows)


async def forget_earlier(parts: Parts) -> None:
    """So that the next dump holds only what comes from now on.

    An example that was given up half-way leaves reports that wait; they are not the next one's.
    """
    while await parts.sweeper.sweep():
        pass
    async with parts.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM outbox")

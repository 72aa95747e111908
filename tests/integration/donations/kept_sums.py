"""Kept sums against what they are of, for tests."""

from services.donations.proof.records import check_records
from services.donations.store.proving import ProofReader
from tests.integration.donations.parts import Parts


async def misfits(parts: Parts, *tables: str) -> list[str]:
    """What an audit finds of these tables of sums; of all of them, if none is named."""
    return [
        detail
        async for part in check_records(ProofReader(parts.engine))
        if part.table in (tables or ("pledge_sums", "suspense_sums"))
        for detail in part.differences
    ]

"""Entries that the code before has sealed, in books that the code of today goes on with."""

import psycopg

from services.ledger.domain import NO_HASH
from services.ledger.journal import seal
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import draft, gift


async def test_entries_of_version_1_verify_and_are_known_again(
    parts: Parts, urls: DatabaseUrls
) -> None:
    old = draft(gift(7))
    await parts.post_all(old)
    (entry,) = await parts.entries()
    text = seal.text_of(1, entry.recorded_time, None, seal.content_of(old))
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            "UPDATE entries SET hash = %(hash)s, version = DEFAULT, value_date = NULL,"
            " book_date = NULL",
            {"hash": seal.entry_hash(NO_HASH, text)},
        )
        connection.execute("UPDATE head SET hash = (SELECT hash FROM entries)")
    new, again = await parts.post_all(draft(gift(5)), old)
    assert (new.sequence, again.sequence, again.replayed) == (2, 1, True)
    assert [entry.version for entry in await parts.entries()] == [1, 2]
    report = await parts.audit()
    assert report.ok, report.checks

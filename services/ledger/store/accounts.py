"""Accounts and their ids."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from threading import Lock

from sqlalchemy import Engine, Row, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.domain import Account, AccountKind, AccountLimit, AccountName, AccountState
from services.ledger.journal.chart import place
from services.ledger.store.arrays import array

_REMEMBERED_MAX = 200_000


class AccountIds:
    """Remembers which id an account has: accounts are never changed or removed.

    Learn only from what is committed, or keep the memory to one transaction. Threads may share it.

    era: how often it has begun anew; what is right in one era may be wrong in the next.
    """

    def __init__(self) -> None:
        self._ids: dict[AccountName, int] = {}
        self._names: dict[int, AccountName] = {}
        self._changing = Lock()
        self.era = 0

    @classmethod
    def on(cls, *engines: Engine) -> "AccountIds":
        """A memory that begins anew with each connection that one of the engines opens.

        It may be to another database than before, one that took over and never had the last
        accounts: it gives their ids to others.
        """
        accounts = cls()
        for engine in engines:
            event.listen(engine, "connect", lambda *_: accounts.forget())
        return accounts

    def forget(self) -> None:
        """Remembers nothing."""
        with self._changing:
            self._begin_anew()

    def known(self, names: Iterable[AccountName]) -> dict[AccountName, int]:
        """The ids of those that are remembered."""
        ids = self._ids
        return {name: ids[name] for name in names if name in ids}

    def known_all(self, names: Set[AccountName]) -> Mapping[AccountName, int] | None:
        """Ids, those of all of these accounts among them; None if one is not remembered."""
        ids = self._ids
        return ids if names <= ids.keys() else None

    async def ids_of(
        self, connection: AsyncConnection, names: Iterable[AccountName]
    ) -> dict[AccountName, int]:
        """The ids of those accounts that are opened."""
        era, names = self.era, set(names)
        found = self.known(names)
        missing = [name for name in names if name not in found]
        if missing:
            rows = await connection.execute(
                _BY_NAME,
                {
                    "codes": array(name.code for name in missing),
                    "currencies": array(name.currency for name in missing),
                },
            )
            read = {AccountName(row.code, row.currency): row.id for row in rows}
            self.remember(read, era)
            found |= read
        return found

    async def names_of(
        self, connection: AsyncConnection, ids: Iterable[int]
    ) -> Mapping[int, AccountName]:
        """The names of those ids that belong to an account."""
        era, known, ids = self.era, self._names, set(ids)
        found = {id_: known[id_] for id_ in ids if id_ in known}
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            rows = await connection.execute(_BY_ID, {"ids": array(missing)})
            read = {AccountName(row.code, row.currency): row.id for row in rows}
            self.remember(read, era)
            found |= {id_: name for name, id_ in read.items()}
        return found

    def remember(self, ids: Mapping[AccountName, int], era: int) -> None:
        """Learns ids that were read from, or have been committed to, the database in an era.

        Nothing if the era is over.
        """
        with self._changing:
            if era != self.era:
                return
            if len(self._ids) + len(ids) > _REMEMBERED_MAX:
                self._begin_anew()
            self._ids |= ids
            self._names |= {id_: name for name, id_ in ids.items()}

    def _begin_anew(self) -> None:
        self.era += 1
        self._ids, self._names = {}, {}


async def open_accounts(
    connection: AsyncConnection, names: Iterable[AccountName], now: datetime
) -> dict[AccountName, int]:
    """Opens accounts that are not open yet, and returns the ids of all of them.

    Their codes must be in the chart. Whoever opens the same account at the same time is waited for.
    Balances are the caller's business.
    """
    ordered = sorted(names)
    places = [place(name.code) for name in ordered]
    parameters = {
        "codes": array(name.code for name in ordered),
        "currencies": array(name.currency for name in ordered),
        "kinds": array(found.row.kind.value for found in places),
        "owners": array(found.owner for found in places),
        "now": now,
    }
    await connection.execute(_OPEN, parameters)
    rows = await connection.execute(_BY_NAME, parameters)
    return {AccountName(row.code, row.currency): row.id for row in rows}


def account_of(row: Row[tuple[object, ...]]) -> Account:
    """An account from a row with its columns and those of its balance."""
    return Account(
        name=AccountName(row.code, row.currency),
        kind=AccountKind(row.kind),
        owner=row.owner,
        create_time=row.create_time,
        state=AccountState(row.state or AccountState.OPEN),
        limit=AccountLimit(row.account_limit or place(row.code).row.limit),
    )


_BY_NAME = text("""
    SELECT a.id, a.code, a.currency
    FROM unnest(CAST(:codes AS text[]), CAST(:currencies AS text[])) AS named (code, currency)
    JOIN accounts a USING (code, currency)
""")

_BY_ID = text("SELECT id, code, currency FROM accounts WHERE id = ANY(CAST(:ids AS integer[]))")

_OPEN = text("""
    INSERT INTO accounts (code, currency, kind, owner, create_time)
    SELECT code, currency, kind, owner, CAST(:now AS timestamptz)
    FROM unnest(
        CAST(:codes AS text[]), CAST(:currencies AS text[]),
        CAST(:kinds AS smallint[]), CAST(:owners AS text[])
    ) AS opened (code, currency, kind, owner)
    ON CONFLICT (code, currency) DO NOTHING
""")

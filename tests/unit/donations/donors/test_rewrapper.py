"""Wrapping donors' keys anew while the database comes and goes."""

import psycopg
import pytest

from services.donations.desks.donors import Rewrapper
from services.donations.donors.keys import KeyRing
from services.donations.donors.vault import Vault
from services.donations.store.donors import DonorStore


class ComesBack(DonorStore):
    """Empty, and away for the first two times."""

    def __init__(self, error: Exception) -> None:
        self.asked = 0
        self._error = error

    async def key_ids(self) -> list[str]:
        self.asked += 1
        if self.asked <= 2:
            raise self._error
        return []


def rewrapper(store: DonorStore) -> Rewrapper:
    keys = KeyRing({"1": bytes(32)})
    return Rewrapper(store, Vault(keys), keys)


async def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.donations.desks.donors._RETRY_S", 0.0)
    store = ComesBack(psycopg.OperationalError("connection refused"))
    await rewrapper(store).run()
    assert store.asked == 3


async def test_a_defect_is_not() -> None:
    with pytest.raises(KeyError):
        await rewrapper(ComesBack(KeyError("a defect"))).run()

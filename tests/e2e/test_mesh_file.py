"""A mesh elsewhere, asked by people with certificates and files of their own, and nothing else."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.supervisor.state import MeshState
from tests.e2e.conftest import finish, running_mesh, starter

GIFTS = """external_id,project,amount,currency,time
m-1,water,12.50,CNY,2019-09-05T12:00:00+08:00
m-2,water,0.50,CNY,2019-09-05T12:00:07+08:00
"""
ACCOUNT = "partner/weibo/claimed"
# What was sent is in the books a moment later.
_WAIT_S = 20.0


class Person:
    """Somebody with a folder: a certificate, its key, the authority's certificate, a file."""

    def __init__(self, mesh: MeshState, folder: Path, role: str, name: str) -> None:
        folder.mkdir()
        self.folder = folder
        issue = ("certs", "issue", role, name, "--state", mesh.directory)
        status, output = finish(starter(folder)(*issue))
        assert status == 0, output
        for file, kept in zip(output.split(), ("own.crt", "own.key", "ca.crt"), strict=True):
            shutil.copy(file, folder / kept)
        addresses = {name: mesh.address(name) for name in ("donations", "ledger", "gateway")}
        # One of the two ledgers is away.
        addresses["ledger"] = f"localhost:1, {addresses['ledger']}"
        lines = ['authority = "ca.crt"', 'certificate = "own.crt"', 'key = "own.key"']
        lines += ["[addresses]", *(f'{name} = "{where}"' for name, where in addresses.items())]
        (folder / "mesh.toml").write_text("\n".join(lines), encoding="utf-8")

    def does(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a command by their file."""
        return finish(starter(self.folder)(*arguments, "--mesh", "mesh.toml"))

    def sees(self, *arguments: str) -> str:
        """The output of a command that works."""
        status, output = self.does(*arguments)
        assert status == 0, output
        return output


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshState]:
    """One with two gifts in its books."""
    folder = tmp_path_factory.mktemp("mesh-file")
    (folder / "gifts.csv").write_text(GIFTS, encoding="utf-8")
    with running_mesh(folder) as state:
        for words in (
            ("certs", "issue", "partner", "weibo"),
            ("send", "gifts.csv", "--partner", "weibo"),
        ):
            status, output = finish(starter(folder)(*words, "--state", state.directory))
            assert status == 0, output
        yield state


def test_finance_asks_and_decides_under_its_own_name(mesh: MeshState, tmp_path: Path) -> None:
    anna = Person(mesh, tmp_path / "anna", "finance", "anna")
    give_up = time.monotonic() + _WAIT_S
    while "13.00" not in (balance := anna.sees("balance", ACCOUNT, "--csv")):
        assert time.monotonic() < give_up, balance
        time.sleep(0.2)
    assert "13.00" in anna.sees("totals")
    assert "m-1" in anna.sees("donations", "weibo", "--json")
    assert "frozen" in anna.sees("account", "freeze", ACCOUNT, "--as", "anna")
    anna.sees("account", "unfreeze", ACCOUNT)
    anna.sees("export", "ledger", "archive")
    sealed = (anna.folder / "archive/entries.txt").read_text(encoding="utf-8")
    assert "finance/anna" in sealed
    status, output = finish(starter(anna.folder)("verify", "archive", "--json"))
    assert (status, json.loads(output)["ok"]) == (0, True)

    status, output = anna.does("account", "freeze", ACCOUNT, "--as", "local")
    assert status == 1
    assert "--as local asks as finance/local" in output
    (anna.folder / "own.key").chmod(0o644)
    status, output = anna.does("balance", ACCOUNT)
    assert status == 1
    assert "chmod 600" in output


def test_a_role_does_what_it_may_and_no_more(mesh: MeshState, tmp_path: Path) -> None:
    bob = Person(mesh, tmp_path / "bob", "operator", "bob")
    assert "All checks are ok" in bob.sees("audit")
    weibo = Person(mesh, tmp_path / "weibo", "partner", "weibo")
    for person, caller, words in (
        (bob, "operator/bob", ("account", "freeze", ACCOUNT)),
        (weibo, "partner/weibo", ("trial-balance",)),
    ):
        status, output = person.does(*words)
        assert status == 1
        assert f"{caller} may not call" in output
        assert "use a certificate of a role that may" in output
        assert output.rstrip().endswith("(PERMISSION_DENIED)")


def test_a_partner_sends_by_its_file(mesh: MeshState, tmp_path: Path) -> None:
    weibo = Person(mesh, tmp_path / "weibo", "partner", "weibo")
    (weibo.folder / "gifts.csv").write_text(GIFTS, encoding="utf-8")
    assert "2 │ replayed" in weibo.sees("send", "gifts.csv", "--partner", "weibo")
    status, output = weibo.does("send", "gifts.csv", "--partner", "alipay")
    assert status == 1
    assert "this asks as partner/alipay, and the certificate that" in output

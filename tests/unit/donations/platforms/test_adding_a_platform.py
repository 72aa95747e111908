"""docs/adding-a-platform.md is true: its example is loaded from there and keeps the contract."""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, cast

import pytest

from services.donations import platforms
from services.donations.platforms import PLATFORMS, load_platforms
from tests.unit.donations.platforms import impossible, test_contract
from tests.unit.donations.platforms.documents import blocks
from tests.unit.donations.platforms.sending import NOW, Gift, Sender

DOCUMENT = "adding-a-platform.md"
ADAPTER, ROW, SENDER, IMPOSSIBLE_ROW = blocks(DOCUMENT, "python")

Case = Callable[..., None]


def load(name: str, code: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """The document's code as the module that it says it would be."""
    module = ModuleType(name)
    patch.setitem(sys.modules, name, module)
    exec(compile(code, f"docs/{DOCUMENT}", "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def adapter() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        yield load("services.donations.platforms.pigeon", ADAPTER, patch)


@pytest.fixture(scope="module")
def sender(adapter: ModuleType) -> Iterator[Sender]:
    with pytest.MonkeyPatch.context() as patch:
        module = load("tests.unit.donations.platforms.sender_pigeon", SENDER, patch)
        row = eval(f"{{{IMPOSSIBLE_ROW}}}", {"Case": impossible.Case})
        table = MappingProxyType({**impossible.IMPOSSIBLE, **row})
        patch.setattr(impossible, "IMPOSSIBLE", table)
        yield cast(Sender, module.PigeonSender())


def cases() -> Iterator[Any]:
    """Every case of the contract kit, once for each of its arguments but the sender."""
    for name, case in vars(test_contract).items():
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(case, "pytestmark", ()) if mark.name == "parametrize"]
        others = [mark for mark in marks if mark.args[0] != "sender"]
        if not others:
            yield pytest.param(case, {}, id=name)
        for argument, values in (mark.args[:2] for mark in others):
            if argument == ("sender", "name"):
                continue  # its names are the sender's own: see the next test
            for number, value in enumerate(values):
                yield pytest.param(case, {argument: value}, id=f"{name}-{number}")


@pytest.mark.parametrize(("case", "arguments"), list(cases()))
def test_the_example_keeps_the_contract(
    case: Case, arguments: dict[str, object], sender: Sender
) -> None:
    case(sender=sender, **arguments)


def test_the_example_needs_its_fields(sender: Sender) -> None:
    for name in sender.required:
        test_contract.test_a_missing_field_is_malformed(sender, name)


def test_no_case_of_the_kit_is_left_out() -> None:
    functions = {name for name in vars(test_contract) if name.startswith("test_")}
    run = {case.values[0].__name__ for case in cases()} | {"test_a_missing_field_is_malformed"}
    assert run == functions
    for name in functions:
        parameters = inspect.signature(getattr(test_contract, name)).parameters
        assert next(iter(parameters)) == "sender"


def test_the_row_and_the_table_of_the_document_configure_it(
    adapter: ModuleType, sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = eval(f"{{{ROW}}}", {"Pigeon": adapter.Pigeon})
    monkeypatch.setattr(platforms, "PLATFORMS", MappingProxyType({**PLATFORMS, **row}))
    (table,) = blocks(DOCUMENT, "toml")
    assert table == sender.configure(tmp_path)
    (tmp_path / "platforms.toml").write_text(table)
    loaded = load_platforms(tmp_path / "platforms.toml")
    assert list(loaded) == ["pigeon"]
    assert loaded["pigeon"].read(sender.payment(Gift()), NOW)

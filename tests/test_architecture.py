"""Who may know whom. The rules of docs/architecture.md, held against the code's own imports."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("donations", "ledger", "gateway")

WIRE = ("grpc", "google", "watersmeet")
STORE = ("sqlalchemy", "psycopg", "alembic")
HTTP = ("aiohttp",)

# The rooms of a service that are plain Python: nouns and rules, testable without anything else.
DOMAIN = (
    *("donations/domain.py", "donations/gifts/*.py", "donations/catalog/*.py"),
    *("donations/platforms/*.py", "donations/donors/*.py"),
    *("donations/pledges/*.py", "donations/review/*.py", "donations/life/*.py"),
    "donations/allocation/*.py",
    *("ledger/domain.py", "ledger/journal/*.py", "ledger/log/tree.py", "ledger/log/note.py"),
    *("gateway/domain.py", "gateway/totals.py", "gateway/query.py", "gateway/view.py"),
    "gateway/catalog/listing.py",
)
STORE_ROOMS = re.compile(r"^(models|__main__)\.py$|^(store|models|migrations)/")
# Where protobuf meets the domain: handlers and converters, and the clients of other services, of
# which some stand beside what they are for.
WIRE_ROOMS = re.compile(
    r"^wire/|^(__main__|audit/donations|catalog/follower|http/(notices|log_http))\.py$"
)


def sources(folder: str) -> list[Path]:
    found = [
        path
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not re.search(r"_pb2(_grpc)?\.py$", path.name)
    ]
    assert found, f"{folder} holds no code"
    return found


def imports(path: Path) -> Iterator[str]:
    """The absolute names of all modules that a file imports, wherever in the file."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaches(folder: str, forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    def within(name: str, roots: tuple[str, ...]) -> bool:
        return any(name == root or name.startswith(root + ".") for root in roots)

    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imports(path)
        if within(name, forbidden) and not within(name, allowed)
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_services_call_each_other_only_through_their_protos(service: str) -> None:
    others = tuple(f"services.{other}" for other in (*SERVICES, "cli") if other != service)
    assert breaches(f"services/{service}", others) == []


def test_the_runtime_knows_no_service() -> None:
    rooms = tuple(f"services.{room}" for room in (*SERVICES, "cli"))
    assert breaches("services/runtime", rooms) == []


def test_the_command_line_reaches_services_only_over_the_wire() -> None:
    rooms = tuple(f"services.{service}" for service in SERVICES)
    assert breaches("services/cli", rooms) == []


def test_the_simulator_shares_no_code_with_what_it_tests() -> None:
    assert breaches("services/cli/simulator", ("services",), ("services.cli.simulator",)) == []


def test_the_verifier_shares_no_code_with_the_ledger() -> None:
    # Nor with the wire: what it says of an archive rests on the archive's files alone.
    forbidden = ("services", *WIRE, *STORE, *HTTP)
    assert breaches("services/cli/verifying", forbidden, ("services.cli.verifying",)) == []


def test_the_partners_package_needs_no_application() -> None:
    assert breaches("protos", ("services", *STORE, *HTTP)) == []


@pytest.mark.parametrize("room", DOMAIN)
def test_the_domain_is_plain_python(room: str) -> None:
    paths = sorted((ROOT / "services").glob(room))
    assert paths, f"{room} is no room"
    names = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports(path)
        if name.split(".")[0] in (*WIRE, *STORE, *HTTP)
        or re.match(r"services\.\w+\.(store|models)\b", name)
    ]
    assert names == []


@pytest.mark.parametrize("service", SERVICES)
def test_sql_is_only_in_the_store(service: str) -> None:
    folder = ROOT / "services" / service
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(f"services/{service}")
        if not STORE_ROOMS.search(path.relative_to(folder).as_posix())
        for name in imports(path)
        if name.split(".")[0] in STORE
    ]
    assert found == []


@pytest.mark.parametrize("service", SERVICES)
def test_protobuf_is_only_on_the_wire(service: str) -> None:
    folder = ROOT / "services" / service
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(f"services/{service}")
        if not WIRE_ROOMS.search(path.relative_to(folder).as_posix())
        for name in imports(path)
        if name.split(".")[0] in WIRE
    ]
    assert found == []


def test_nothing_imports_a_composition() -> None:
    mains = tuple(f"services.{service}.__main__" for service in SERVICES)
    assert breaches("services", mains) == []


def test_files_are_small() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("services", "protos", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if not re.search(r"_pb2(_grpc)?\.py$", path.name)
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_no_package_index_is_named() -> None:
    # Spelled in two parts, so that this file does not name one either.
    hosts = "|".join(("py" + "pi\\.org", "python" + "hosted\\.org", "npm" + "js\\.(org|com)"))
    found = subprocess.run(
        ["git", "grep", "-nE", hosts], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1, found.stdout + found.stderr

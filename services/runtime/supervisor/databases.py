"""Databases and their two roles, on any PostgreSQL server that one may administer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_CONNECT_TIMEOUT_S = 10

_CREATE = (
    """CREATE DATABASE {name} OWNER {owner} TEMPLATE template0
       ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'""",
    "REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    "GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {service}",
)


@dataclass(frozen=True)
class DatabaseUrls:
    """postgresql:// URLs of one database, with passwords.

    owner: the role `<name>_owner`, which owns the database, makes its tables and migrates them.
    service: the role `<name>_service`, which can do what the migrations grant it.
    """

    owner: str = field(repr=False)
    service: str = field(repr=False)


def create_database(admin_url: str, name: str, passwords: Mapping[str, str]) -> DatabaseUrls:
    """Creates the database `name`, `<name>_owner` and `<name>_service`, as far as they are missing.

    passwords: by role name. Roles that exist get these passwords.
    Raises psycopg.Error if the server cannot be reached or refuses.
    """
    owner, service = f"{name}_owner", f"{name}_service"
    with psycopg.connect(
        admin_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
    ) as connection:
        for role in (owner, service):
            _set_role(connection, role, passwords[role])
        exists = connection.execute(
            "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [name]
        ).fetchone()
        if not exists:
            names = {
                "name": sql.Identifier(name),
                "owner": sql.Identifier(owner),
                "service": sql.Identifier(service),
            }
            for statement in _CREATE:
                connection.execute(sql.SQL(statement).format(**names))
    return DatabaseUrls(
        owner=url_for(admin_url, owner, passwords[owner], name),
        service=url_for(admin_url, service, passwords[service], name),
    )


def drop_database(admin_url: str, name: str) -> None:
    """Removes what create_database made, whoever is still connected to it."""
    with psycopg.connect(
        admin_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
    ) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        for role in (f"{name}_owner", f"{name}_service"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def url_for(server_url: str, role: str, password: str, database: str) -> str:
    """The URL of another role and database on the same server, reached in the same way."""
    target = conninfo_to_dict(server_url)
    host, port = str(target.get("host") or "localhost"), str(target.get("port") or 5432)
    options = {
        key: str(value)
        for key, value in target.items()
        if key not in ("host", "port", "user", "password", "dbname")
    }
    if host.startswith("/"):  # a folder of unix sockets
        options |= {"host": host, "port": port}
        place = ""
    else:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{quote(role)}:{quote(password, safe='')}@{place}/{quote(database)}{query}"


def _set_role(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    exists = connection.execute(
        "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [role]
    ).fetchone()
    # The verifier, not the password: a statement may end up in the server's log.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    connection.execute(
        sql.SQL("{verb} ROLE {role} LOGIN PASSWORD {verifier}").format(
            verb=sql.SQL("ALTER" if exists else "CREATE"),
            role=sql.Identifier(role),
            verifier=sql.Literal(verifier),
        )
    )

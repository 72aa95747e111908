"""`watersmeet migrate`: brings databases to the newest migration, without starting services."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from services.cli.options import DEFAULT_STATE, StateDirectory
from services.runtime.database_url import database_url
from services.runtime.migrations import upgrade
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.directory import DirectoryLock, open_directory
from services.runtime.supervisor.errors import MeshError
from services.runtime.supervisor.postgres import PostgresServer
from services.runtime.supervisor.services import STAGES, Service

_SERVICES = {s.name: s for stage in STAGES for s in stage if s.has_database}


def migrate(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]…", help="All that have a database, if none is named."),
    ] = None,
    state: StateDirectory = DEFAULT_STATE,
) -> None:
    """Bring databases to the newest migration.

    WATERSMEET_<SERVICE>_DATABASE_URL and WATERSMEET_<SERVICE>_MIGRATION_DATABASE_URL say where they
    are; without them, they are those of the private PostgreSQL in the state directory.
    """
    console = Console()
    for name in services or _SERVICES:
        if name not in _SERVICES:
            raise MeshError(f"{name} has no database; those that have: {', '.join(_SERVICES)}")
    chosen = [_SERVICES[name] for name in services or _SERVICES]
    private = [s for s in chosen if _named(s) is None]
    with _private_databases(private, state) as databases:
        for service in chosen:
            urls = _named(service) or databases[service.name]
            try:
                owner, role = database_url(urls.owner).username, database_url(urls.service).username
                upgrade(
                    f"services.{service.name}",
                    urls.owner,
                    service_role=role if role != owner else None,
                )
            except (SQLAlchemyError, ValueError) as error:
                raise MeshError(f"{service.name} cannot be migrated: {error}") from error
            console.print(f"{service.name} is at its newest migration.", highlight=False)


def _named(service: Service) -> DatabaseUrls | None:
    """The database that the environment names, if it names one."""
    url = os.environ.get(f"{service.prefix}DATABASE_URL")
    if url is None:
        return None
    owner = os.environ.get(f"{service.prefix}MIGRATION_DATABASE_URL", url)
    return DatabaseUrls(owner=owner, service=url)


@contextmanager
def _private_databases(services: list[Service], state: Path) -> Iterator[dict[str, DatabaseUrls]]:
    """Runs the private PostgreSQL for as long as its databases are needed."""
    if not services:
        yield {}
        return
    directory = open_directory(state)
    with DirectoryLock(directory):  # a running mesh's services have migrated already
        server = PostgresServer(directory)
        try:
            server.start()
            yield {service.name: server.database(service.name) for service in services}
        finally:
            server.stop()

"""The tables: what the migrations make, and who may do what with them."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, create_engine

from services.donations.models import metadata
from services.runtime.database import database_url, upgrade
from services.runtime.supervisor.databases import DatabaseUrls
from tests.support.databases import DatabaseFactory


def test_migrations_make_what_the_models_say(database: DatabaseFactory) -> None:
    urls = database("donations")
    role = database_url(urls.service).username
    upgrade("services.donations", urls.owner, service_role=role)
    upgrade("services.donations", urls.owner, service_role=role)  # nothing is left to do
    engine = create_engine(database_url(urls.owner))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            if "alembic_version" not in str(difference)
        ]
    engine.dispose()
    assert differences == []


def test_every_unique_key_of_tables_that_grow_with_gifts_leads_with_the_bucket() -> None:
    growing = [table for table in metadata.sorted_tables if "bucket" in table.columns]
    assert {table.name for table in growing} == {
        "donations",
        "suspended",
        "refunds",
        "refund_totals",
        "disputes",
        "stages",
        "links",
        "moves",
        "positions",
        "waiting",
        "conflicts",
        "donors",
        "donor_readings",
        "pledged_orders",
        "allocated",
        "reallocated",
    }
    for table in growing:
        unique = [
            list(constraint.columns)
            for constraint in table.constraints
            if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
        ] + [list(index.columns) for index in table.indexes if index.unique]
        assert unique
        assert all(columns[0].name == "bucket" for columns in unique)
        assert not table.foreign_keys


def test_a_gift_costs_one_key_and_nothing_else() -> None:
    donations = metadata.tables["donations"]
    [index] = donations.indexes
    assert index.dialect_options["postgresql"]["using"] == "brin"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE donations SET amount_micros = 1",
        "DELETE FROM donations",
        "TRUNCATE donations",
        "UPDATE suspended SET project = 'x'",
        "DELETE FROM suspended",
        "UPDATE refunds SET amount_micros = 1",
        "DELETE FROM refunds",
        "UPDATE disputes SET status = 2",
        "DELETE FROM disputes",
        "UPDATE stages SET stage = 2",
        "DELETE FROM stages",
        "UPDATE links SET rail_external_id = 'x'",
        "DELETE FROM links",
        "UPDATE moves SET amount_micros = 1",
        "DELETE FROM moves",
        "DELETE FROM positions",
        "UPDATE waiting SET bucket = 1",
        "UPDATE batches SET digest = ''",
        "DELETE FROM batches",
        "DELETE FROM conflicts",
        "UPDATE conflicts SET claim = '{}'",
        "DELETE FROM quarantine",
        "UPDATE quarantine_replays SET reason = NULL",
        "DELETE FROM quarantine_replays",
        "UPDATE donors SET donor_token = ''",
        "DELETE FROM donors",
        "UPDATE donor_readings SET reader = 'x'",
        "DELETE FROM donor_readings",
        "UPDATE projects SET code = 'x'",
        "UPDATE projects SET purpose = 2",
        "UPDATE certificates SET valid_until = '2099-12-31'",
        "DELETE FROM certificates",
        "DELETE FROM partners",
        "UPDATE pledges SET rate_ppm = 1",
        "DELETE FROM pledges",
        "UPDATE pledge_ends SET end_time = now()",
        "DELETE FROM pledge_ends",
        "UPDATE pledged_orders SET paid_micros = 1",
        "DELETE FROM pledged_orders",
        "DELETE FROM pledge_sums",
        "UPDATE allocated SET project_id = 1",
        "DELETE FROM allocated",
        "UPDATE reallocated SET project_id = 1",
        "DELETE FROM reallocated",
        "UPDATE closure_decisions SET caller = 'x'",
        "DELETE FROM closure_decisions",
        "UPDATE allocations SET caller = 'x'",
        "DELETE FROM allocations",
        "UPDATE allocation_steps SET is_last = true",
        "DELETE FROM allocation_steps",
        "DROP TABLE donations",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_services_role_cannot_change_what_is_recorded(
    urls: DatabaseUrls, statement: str
) -> None:
    with (
        psycopg.connect(urls.service) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())

"""closure decisions

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.

Of what was decided before, and of what the code before decides beside the new, nobody knows who
decided it.
"""

from alembic import op

from services.runtime.migrations import grant

revision = "0015"
down_revision = "0014"

_TABLE = """
CREATE TABLE closure_decisions (
    closure_id integer NOT NULL,
    caller text COLLATE "C" NOT NULL,
    request_id uuid NOT NULL,
    seal_id uuid,
    CONSTRAINT closure_decisions_pkey PRIMARY KEY (closure_id)
)
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_TABLE)
    grant("SELECT, INSERT", "closure_decisions")

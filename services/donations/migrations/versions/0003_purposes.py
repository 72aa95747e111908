"""whether a project is charity's or a personal appeal

Rules: the code before and the code after this must both work on the result, so add first and take
away a release later; no downgrade, mend by another migration; no statement that rewrites or locks
a large table; grant the service's role what it needs on new tables, and no more.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Applies the change."""
    # Both defaults are what the release before means by a project; they rewrite no row.
    op.execute("ALTER TABLE projects ADD COLUMN purpose smallint NOT NULL DEFAULT 1")
    op.execute("""
        ALTER TABLE projects ADD COLUMN organiser text COLLATE "C" NOT NULL DEFAULT ''
    """)
    op.execute("ALTER TABLE projects ALTER COLUMN charity_id DROP NOT NULL")
    op.execute("""
        ALTER TABLE projects ADD CONSTRAINT projects_purpose_check CHECK (
            CASE purpose WHEN 1 THEN charity_id IS NOT NULL AND organiser = ''
                WHEN 2 THEN charity_id IS NULL AND organiser <> '' ELSE false END)
    """)

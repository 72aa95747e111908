"""As bulk, with ids that begin with the time, as platforms' do."""

from bench.result import Result
from bench.row import Plan, Row
from bench.rows.bulk import measure


async def run(plan: Plan) -> Result:
    """See Row."""
    return await measure(plan, ROW.name, ordered=True)


ROW = Row("bulk-ordered", 0.5, run)

"""The rows, and the results that are committed."""

import io

from rich.console import Console

from bench.__main__ import LATEST
from bench.result import make_result, read_results
from bench.row import Plan, Row
from bench.rows import ROWS
from bench.table import make_table


async def never(plan: Plan) -> None:
    raise AssertionError(plan)


def test_the_issues_rows_are_all_there() -> None:
    assert list(ROWS) == [
        "bulk",
        "bulk-ordered",
        "bulk-dups",
        "unary",
        "callback",
        "overload",
        "bulk-growth",
        "bulk-growth-random",
        "memory",
        "disk",
        "post-batch",
        "post-one",
        "post-hot",
        "balance",
        "verify",
        "post-growth",
    ]
    assert [name for name, row in ROWS.items() if row.long] == [
        "bulk-growth",
        "bulk-growth-random",
        "post-growth",
    ]


def test_a_target_is_a_floor_or_a_ceiling() -> None:
    floor, ceiling = Row("a", 0.6, never), Row("b", 1.0, never, at_most=True)
    assert [floor.reached(ratio) for ratio in (0.59, 0.6, 2.0)] == [False, True, True]
    assert [ceiling.reached(ratio) for ratio in (0.5, 1.0, 1.01)] == [True, True, False]


def test_a_plan_sends_whole_batches_to_two_partners() -> None:
    assert Plan(seconds=4).gifts(10_000) == 600_000
    assert Plan(seconds=0.1).gifts(10_000) == 20_000


def test_the_table_shows_each_ratio_with_its_target() -> None:
    result = make_result("memory", [200.0], [400.0], unit="MiB", n=600_000, config={})
    printed = io.StringIO()
    Console(width=120, file=printed).print(make_table([result], ROWS))
    line = next(line for line in printed.getvalue().splitlines() if "memory" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "memory",
        "200",
        "400",
        "0.50",
        "≤ 1",
        "MiB",
        "600,000",
    ]


def test_the_committed_results_are_of_rows_that_exist() -> None:
    results = read_results(LATEST)
    names = [result.name for result in results]
    assert names == [name for name in ROWS if name in names]
    assert set(names) >= {name for name in ROWS if not ROWS[name].long}
    for result in results:
        assert result.config["repetitions"] >= 3
        assert len(result.config["runs"]["ours"]) == result.config["repetitions"]

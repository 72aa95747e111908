"""The small reading of PromQL that the other tests rest on."""

import pytest

from tests.unit.deploy.promql import Reading, read


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("up", {"up"}, set()),
        ("sum by (job) (rate(a_total[5m]))", {"a_total"}, {"job"}),
        ("sum(rate(a_total[5m])) by (job, x)", {"a_total"}, {"job", "x"}),
        ('a{b="c{d}", e!~"f.*"} / on (g) group_left h', {"a", "h"}, {"b", "e", "g"}),
        (
            "histogram_quantile(0.99, sum by (le) (rate(a_bucket[$__rate_interval])))",
            {"a_bucket"},
            {"le"},
        ),
        ("time() - a_seconds > 1e3 and b unless c offset 5m", {"a_seconds", "b", "c"}, set()),
        ("job:a:rate5m == bool 1", {"job:a:rate5m"}, set()),
        ("count_over_time(a[5m]) > 0", {"a"}, set()),
        ("vector(1)", set(), set()),
    ],
)
def test_names_and_labels(expression: str, metrics: set[str], labels: set[str]) -> None:
    assert read(expression) == Reading(frozenset(metrics), frozenset(labels))

"""What may be asked of the totals, and by whom."""

from datetime import UTC, datetime

import pytest
from hypothesis import given

from services.gateway.access import require_own_partner
from services.gateway.query import VALUES_MAX, Dimension, Filter, Query
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from tests.unit.gateway.strategies import queries

NOON = datetime(2026, 9, 5, 12, tzinfo=UTC)
ALIPAY = Caller(Role.PARTNER, "alipay")


@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("filter.campaigns", {"campaigns": frozenset({"Week 2026"})}),
        ("filter.projects", {"projects": frozenset({"x" * 65})}),
        ("filter.partners", {"partners": frozenset({"alipay\n"})}),
        ("filter.currency_codes", {"currencies": frozenset({"cny"})}),
        ("filter.currency_codes", {"currencies": frozenset({""})}),
        ("filter.end_time", {"start": NOON, "end": NOON}),
        ("filter.projects", {"projects": frozenset(map(str, range(VALUES_MAX + 1)))}),
    ],
)
def test_an_impossible_filter_names_its_field(field: str, parts: dict[str, object]) -> None:
    with pytest.raises(Fault) as caught:
        Filter(**parts)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.metadata) == (Reason.FIELD_INVALID, {"field": field})


def test_a_dimension_is_named_once() -> None:
    with pytest.raises(Fault) as caught:
        Query(group_by=(Dimension.HOUR, Dimension.HOUR))
    assert caught.value.metadata == {"field": "group_by"}


@given(queries, queries)
def test_digests_differ_where_queries_differ(one: Query, other: Query) -> None:
    assert (one.digest() == other.digest()) == (one == other)


OWN = Filter(partners=frozenset({"alipay"}))
OTHER = Filter(partners=frozenset({"tencent"}))
BOTH = Filter(partners=frozenset({"alipay", "tencent"}))
BY_PARTNER = (Dimension.PARTNER,)


@pytest.mark.parametrize(
    "query",
    [Query(), Query(group_by=(Dimension.PROJECT,)), Query(OWN), Query(OWN, BY_PARTNER)],
)
def test_a_partner_may_ask_for_everything_and_for_itself(query: Query) -> None:
    require_own_partner(ALIPAY, query)


@pytest.mark.parametrize(
    "query", [Query(OTHER), Query(BOTH), Query(BOTH, BY_PARTNER), Query(group_by=BY_PARTNER)]
)
def test_a_partner_may_not_tell_others_apart(query: Query) -> None:
    with pytest.raises(Fault) as caught:
        require_own_partner(ALIPAY, query)
    assert caught.value.reason is Reason.PARTNER_MISMATCH
    for role in (Role.FINANCE, Role.OPERATOR, Role.SERVICE):
        require_own_partner(Caller(role, "alipay"), query)

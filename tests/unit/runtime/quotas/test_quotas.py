"""Who is refused, who waits, and who feels nothing of it."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.quotas.quotas import Quota, Quotas
from services.runtime.quotas.table import Allowance, QuotaTable
from tests.unit.runtime.quotas.moments import Moments


def quotas_with(moments: Moments, **allowance: Any) -> Quotas:
    """burst_s is one second, unless told."""
    table = QuotaTable(Allowance(**({"burst_s": 1} | allowance)))
    return Quotas(table, pause=moments.pause, clock=moments)


def refused(partner: str, quota: str) -> float:
    labels = {"partner": partner, "quota": quota}
    return REGISTRY.get_sample_value("watersmeet_quota_refused_total", labels) or 0.0


def test_a_call_beyond_the_quota_is_told_when_it_would_pass() -> None:
    moments = Moments()
    weibo = quotas_with(moments, calls_per_s=2).of("weibo")
    before = refused("weibo", "calls")
    for _ in range(2):
        weibo.begin(10, is_stream=False)
        weibo.end(is_stream=False)
    with pytest.raises(Fault) as caught:
        weibo.begin(10, is_stream=False)
    fault = caught.value
    assert fault.reason is Reason.RATE_LIMITED
    assert fault.metadata == {"partner": "weibo", "quota": "calls", "limit": "2"}
    assert fault.retry_after == pytest.approx(0.5)
    assert refused("weibo", "calls") == before + 1
    assert fault.retry_after is not None
    moments.now += fault.retry_after
    weibo.begin(10, is_stream=False)


def test_what_is_refused_is_not_counted() -> None:
    moments = Moments()
    weibo = quotas_with(moments, calls_per_s=5, gifts_per_s=5, bytes_per_s=100).of("weibo")
    weibo.take(size=100)
    for _ in range(9):
        with pytest.raises(Fault) as caught:
            weibo.take(calls=1, gifts=1, size=1)
        assert caught.value.metadata["quota"] == "bytes"
    weibo.take(calls=5, gifts=5)


def test_partners_feel_nothing_of_each_other() -> None:
    quotas = quotas_with(Moments(), calls_per_s=1)
    quotas.of("weibo").take(calls=1)
    with pytest.raises(Fault):
        quotas.of("weibo").take(calls=1)
    quotas.of("alipay").take(calls=1)


def test_only_partners_have_quotas() -> None:
    quotas = quotas_with(Moments())
    assert quotas.of_caller(Caller(Role.PARTNER, "weibo")) is quotas.of("weibo")
    for role in (Role.SERVICE, Role.FINANCE, Role.OPERATOR):
        assert quotas.of_caller(Caller(role, "weibo")) is None


def test_so_many_calls_and_streams_at_once() -> None:
    weibo = quotas_with(Moments(), calls_at_once=3, streams_at_once=1).of("weibo")
    weibo.begin(0, is_stream=True)
    with pytest.raises(Fault) as caught:
        weibo.begin(0, is_stream=True)
    assert caught.value.metadata == {"partner": "weibo", "quota": "streams_at_once", "limit": "1"}
    assert caught.value.retry_after
    weibo.begin(1, is_stream=False)
    weibo.begin(1, is_stream=False)
    with pytest.raises(Fault) as caught:
        weibo.begin(1, is_stream=False)
    assert caught.value.metadata["quota"] == "calls_at_once"
    weibo.end(is_stream=True)
    weibo.begin(0, is_stream=True)


async def test_a_stream_waits_as_long_as_its_rate_says() -> None:
    moments = Moments()
    weibo = quotas_with(moments, gifts_per_s=1_000).of("weibo")
    started = moments.now
    for _ in range(10):
        await weibo.pace(Quota.GIFTS, 500)
    assert moments.now - started == pytest.approx(4.0), "5,000 gifts, of which 1,000 were saved up"


async def test_streams_of_one_partner_wait_in_turn_and_calls_pass_between() -> None:
    moments = Moments()
    weibo = quotas_with(moments, gifts_per_s=100).of("weibo")
    passed: list[str] = []

    async def send(name: str) -> None:
        for _ in range(2):
            await weibo.pace(Quota.GIFTS, 100)
            passed.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(send(name))
    # The first has passed twice before anybody else is there; then each has its turn.
    assert passed == list("aabcbc")
    moments.now += 0.5
    weibo.take(gifts=1)


async def test_a_server_that_stops_ends_the_wait() -> None:
    async def stop(_seconds: float) -> None:
        raise Fault(Reason.SHUTTING_DOWN, "stopping")

    table = QuotaTable(Allowance(gifts_per_s=1, burst_s=1))
    weibo = Quotas(table, pause=stop, clock=Moments()).of("weibo")
    await weibo.pace(Quota.GIFTS, 1)
    with pytest.raises(Fault) as caught:
        await weibo.pace(Quota.GIFTS, 1)
    assert caught.value.reason is Reason.SHUTTING_DOWN


def test_partners_are_bounded_and_those_with_calls_are_kept() -> None:
    quotas = quotas_with(Moments(), calls_at_once=1)
    busy = quotas.of("busy")
    busy.begin(1, is_stream=False)
    idle = quotas.of("idle")
    for number in range(2_000):
        quotas.of(f"partner-{number}")
    assert quotas.of("busy") is busy
    assert quotas.of("idle") is not idle
    assert len(quotas._partners) <= 1_024

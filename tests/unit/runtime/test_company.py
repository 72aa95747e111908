"""How long it is worth waiting for company."""

import pytest

from services.runtime.company import await_company


@pytest.mark.parametrize(
    ("arrivals", "waits"),
    [
        ([0], 1),  # alone: one step
        ([1, 0], 2),
        ([7, 1, 1], 3),  # one after eight is enough, one after nine is not
        ([8, 1, 0], 2),
        ([1] * 20, 8),  # never for ever
        ([63], 1),  # as many as are wanted
        ([200], 1),
    ],
)
async def test_it_waits_while_company_comes(arrivals: list[int], waits: int) -> None:
    waiting, left, paused = 1, iter(arrivals), list[float]()

    async def pause(seconds: float) -> None:
        nonlocal waiting
        paused.append(seconds)
        waiting += next(left)

    await await_company(lambda: waiting, pause, step_s=0.5, enough=64)
    assert paused == [0.5] * waits


async def test_what_weighs_nothing_waits_one_step() -> None:
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    await await_company(lambda: 0, pause, step_s=0.5, enough=64)
    assert paused == [0.5]

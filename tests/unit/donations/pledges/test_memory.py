"""The book of pledges: what it asks the store for, and how long it remembers."""

from collections.abc import Mapping, Sequence

from services.donations.pledges.memory import FRESH_S, PledgeBook
from services.donations.pledges.pledge import Pledge
from tests.unit.donations.pledges.pledging import a_pledge


class Store:
    """Knows every code but "nobody", and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.versions_of_each = 1

    async def versions(
        self, _partner: str, _partner_id: int, codes: Sequence[str]
    ) -> Mapping[str, Sequence[Pledge]]:
        self.asked.append(list(codes))
        known = [code for code in codes if code != "nobody"]
        return {code: [a_pledge(code)] * self.versions_of_each for code in known}


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_batch_costs_one_look_and_the_next_one_none() -> None:
    store, clock = Store(), Seconds()
    book = PledgeBook(store, clock)
    found = await book.versions("weibo", 1, ["a", "b", "a"])
    assert {code: versions[0].code for code, versions in found.items()} == {"a": "a", "b": "b"}
    assert await book.versions("weibo", 1, ["b", "a"]) == found
    assert store.asked == [["a", "b"]]
    clock.now = FRESH_S + 0.1
    await book.versions("weibo", 1, ["a", "c"])
    assert store.asked[1:] == [["a", "c"]]


async def test_what_is_not_known_is_looked_up_each_time() -> None:
    store = Store()
    book = PledgeBook(store, Seconds())
    for _ in range(2):
        assert await book.versions("weibo", 1, ["nobody"]) == {}
    assert len(store.asked) == 2


async def test_partners_are_kept_apart() -> None:
    store = Store()
    book = PledgeBook(store, Seconds())
    await book.versions("weibo", 1, ["a"])
    await book.versions("xiaomi", 2, ["a"])
    assert len(store.asked) == 2


async def test_what_was_longest_not_named_is_forgotten_first() -> None:
    store = Store()
    book = PledgeBook(store, Seconds(), versions_max=2)
    for codes in (["a"], ["b"], ["a"], ["c"], ["a"]):
        await book.versions("weibo", 1, codes)
    assert store.asked == [["a"], ["b"], ["c"]]
    await book.versions("weibo", 1, ["b"])
    assert store.asked[-1] == ["b"]


async def test_so_many_versions_are_kept_in_all() -> None:
    store = Store()
    book = PledgeBook(store, Seconds(), versions_max=10)
    store.versions_of_each = 4
    for codes in (["a"], ["b"], ["c"], ["b"], ["a"]):
        await book.versions("weibo", 1, codes)
    assert store.asked == [["a"], ["b"], ["c"], ["a"]]
    store.versions_of_each = 11  # more than it keeps at all
    assert len((await book.versions("weibo", 1, ["d"]))["d"]) == 11
    store.versions_of_each = 1
    for codes in (["d"], ["e"], ["d", "e"]):
        await book.versions("weibo", 1, codes)
    assert store.asked[4:] == [["d"], ["d"], ["e"]]


async def test_what_was_changed_here_is_read_again() -> None:
    store = Store()
    book = PledgeBook(store, Seconds())
    await book.versions("weibo", 1, ["a", "b"])
    book.forget(1, ["a", "never named"])
    await book.versions("weibo", 1, ["a", "b"])
    assert store.asked == [["a", "b"], ["a"]]

"""Lists of what one partner has reported, page by page, in the order in which gifts are stored."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from services.donations.catalog.memory import Catalog
from services.donations.domain import BUCKETS, bucket_of
from services.runtime.call import current_call, partner_of
from services.runtime.paging import page_size, position_of, token_after

Place = tuple[int, str]
"""Bucket and external id: where a page ended."""


class Identified(Protocol):
    """Something that was reported of a gift."""

    @property
    def external_id(self) -> str:
        """The partner's id of the gift."""


T = TypeVar("T", bound=Identified)

Read = Callable[[str, int, Place | None, int], Awaitable[Sequence[T]]]
"""Partner, its id here, behind which place, at most how many."""


class Asked(Protocol):
    """A request for a page."""

    @property
    def partner(self) -> str:
        """Whose; a partner may leave it empty."""

    @property
    def page_size(self) -> int:
        """As in every list."""

    @property
    def page_token(self) -> str:
        """As in every list."""


async def gift_page(
    method: str, asked: Asked, catalog: Catalog, read: Read[T]
) -> tuple[Sequence[T], str]:
    """A page of the current call's partner, and the token for the next; "" behind the last.

    A partner that has reported nothing has an empty page. Raises Fault(FIELD_INVALID,
    PAGE_TOKEN_INVALID, or what partner_of raises).
    """
    partner = partner_of(current_call(), asked.partner)
    scope = (method, partner)
    size = page_size(asked.page_size)
    after = None
    if asked.page_token:
        ended = position_of(asked.page_token, *scope)
        after = ended.number(BUCKETS - 1), ended.text()
    partner_id = await catalog.known_partner_id(partner)
    if partner_id is None:
        return (), ""
    # One more than asked for says whether there is another page.
    found = await read(partner, partner_id, after, size + 1)
    if len(found) <= size:
        return found, ""
    last = found[size - 1].external_id
    return found[:size], token_after([bucket_of(last), last], *scope)

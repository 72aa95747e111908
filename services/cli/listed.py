"""Lists that services give page by page."""

from collections.abc import Callable, Iterator
from typing import Any

_PAGE = 1_000


def listed(call: Callable[..., Any], request: Any, *, timeout_s: float) -> Iterator[Any]:
    """All that is listed, each page asked for when it is needed.

    call: an RPC that lists: it answers with what is listed, in the one field that repeats, and with
    a next_page_token. request: what to list; its page_token is changed, and its page_size where it
    has none. timeout_s: of a page. Raises what the call raises.
    """
    request.page_size = request.page_size or _PAGE
    while True:
        page = call(request, timeout=timeout_s)
        [items] = (field.name for field in page.DESCRIPTOR.fields if field.is_repeated)
        yield from getattr(page, items)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token

"""Lists that services give page by page."""

from collections.abc import Callable, Iterator
from typing import Any


def pages(call: Callable[..., Any], request: Any, *, timeout_s: float) -> Iterator[Any]:
    """All pages of a list, each when it is needed. call: an RPC that lists. request: what to list;
    its page_token is changed. Raises what the call raises.
    """
    while True:
        page = call(request, timeout=timeout_s)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token

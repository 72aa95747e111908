"""Whose totals a caller may tell apart."""

from services.gateway.query import Query
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role


def require_own_partner(caller: Caller, query: Query) -> None:
    """Totals combine; a partner may see its own share of them, and nobody else's.

    Raises Fault(PARTNER_MISMATCH) if a partner filters or groups by partner for more than itself.
    """
    if caller.role is not Role.PARTNER or not query.about_partners:
        return
    if query.filter.partners != {caller.name}:
        raise Fault(
            Reason.PARTNER_MISMATCH,
            "totals by partner are for the partner itself: filter by "
            f"{caller.name!r} alone, or leave partners out",
        )

"""Intake's tables.

Gifts are only ever added: the service's role may do nothing else with them (migrations). Tables
that grow with the gifts lead their key with `bucket`, so that one database or many may hold them
(docs/architecture.md); they have no foreign keys and no checks, because each would cost more than
the row, and the audit adds up the rows again.
"""

from services.donations.models import (
    allocation,
    batches,
    catalog,
    donors,
    gifts,
    life,
    pledges,
    quarantine,
    seals,
)
from services.donations.models.base import metadata

__all__ = [
    "allocation",
    "batches",
    "catalog",
    "donors",
    "gifts",
    "life",
    "metadata",
    "pledges",
    "quarantine",
    "seals",
]

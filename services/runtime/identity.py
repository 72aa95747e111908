"""Who calls: the SPIFFE URI in a client's certificate, read into a role and a name."""

import re
from dataclasses import dataclass
from enum import StrEnum

from services.runtime.errors import Fault, Reason


class Role(StrEnum):
    """What kind of party a caller is; permissions are granted by it."""

    PARTNER = "partner"
    SERVICE = "service"
    FINANCE = "finance"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Caller:
    """A verified identity, for example partner/alipay or service/gateway.

    name: 1 to 64 characters of a-z, 0-9, '.', '_' and '-'; for a partner its partner code.
    """

    role: Role
    name: str

    def spiffe(self, trust_domain: str) -> str:
        """The identity as its certificate's URI says it."""
        return f"spiffe://{trust_domain}/{self.role}/{self.name}"

    def __str__(self) -> str:
        return f"{self.role}/{self.name}"


_PATH = re.compile(r"(partner|service|finance|operator)/([a-z0-9._-]{1,64})")


def parse_spiffe(uri: str, trust_domain: str) -> Caller:
    """Reads `spiffe://<trust_domain>/<role>/<name>`.

    Raises Fault(IDENTITY_UNKNOWN) for any other text, another trust domain's included.
    """
    prefix = f"spiffe://{trust_domain}/"
    path = _PATH.fullmatch(uri.removeprefix(prefix)) if uri.startswith(prefix) else None
    if path is None:
        raise Fault(
            Reason.IDENTITY_UNKNOWN,
            "the client certificate names no identity of this mesh: it needs exactly one URI, "
            f"{prefix}<partner|service|finance|operator>/<name>",
        )
    return Caller(Role(path[1]), path[2])

"""Marked personal data, and the many ways in which it may show up in a text."""

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

NAME = "李金丝雀"
PHONE = "+86 138-0013-8042"
EMAIL = "canary.li@example.org"
ADDRESS = "贵州省金丝雀街 42 号"
OPENID = "oCANARYuMuAJO_M2pxb1Q9zNjWeS"
BUYER_ID = "2088102199424242"

PERSONAL = (NAME, PHONE, EMAIL, ADDRESS, OPENID, BUYER_ID)


def spellings(canary: str) -> set[str]:
    """A canary as encoders and escapers write it."""
    raw = canary.encode()
    found = {
        canary,
        raw.decode("latin-1"),
        json.dumps(canary)[1:-1],
        repr(raw)[2:-1],
        quote(canary),
        quote_plus(canary),
        raw.hex(),
        "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in raw),
    }
    # Within a longer text base64 depends on where the canary begins; its ends are its neighbours'.
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw).decode()
        found.add(coded[4 if shift else 0 : -4])
    return found


def found_in(evidence: Mapping[str, str]) -> Iterator[str]:
    """Which canary shows where: "log of donations: canary.li@example.org in …"."""
    for where, text in evidence.items():
        for canary in PERSONAL:
            for spelling in spellings(canary):
                place = text.find(spelling)
                if place >= 0:
                    around = text[max(place - 150, 0) : place + len(spelling) + 50]
                    yield f"{where}: {canary} in {around!r}"
                    break

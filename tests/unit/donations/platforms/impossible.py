"""What a platform's own protocol makes impossible, and why: one table, and nothing is left out
silently. Where a case is impossible the contract kit shows what is true instead.
"""

from collections.abc import Mapping
from enum import StrEnum

from tests.unit.donations.platforms.sending import Sender


class Case(StrEnum):
    """Cases of the contract kit that some protocols do not know."""

    STALE = "an old notice is refused"
    SIGNED_HEADER = "an altered signed header is refused"
    SPELLING = "another spelling of the same content is refused"
    REFUND = "a refund is reported"
    DONOR = "the donor is named"
    PROBE = "a test of the recipient is told from a forgery"


_UNSIGNED_TIME = "no time of sending is signed, and it repeats a notice for hours"
_IN_CONTENT = "its signature stands in the content, and it signs no header"
_DECODED = "it signs the decoded parameters, so %2b and %2B are the same notice"
_NO_PROBE = "its documents know no test of the recipient"

IMPOSSIBLE: Mapping[str, Mapping[Case, str]] = {
    "alipay": {
        Case.STALE: _UNSIGNED_TIME,
        Case.SIGNED_HEADER: _IN_CONTENT,
        Case.SPELLING: _DECODED,
        Case.PROBE: _NO_PROBE,
    },
    "tencent": {},
    "bytedance": {
        Case.STALE: "its documents set no age, nor say that a repetition is signed anew",
        Case.SIGNED_HEADER: _IN_CONTENT,
        Case.SPELLING: "it signs the values of the body's JSON, not the body's bytes",
        Case.DONOR: "its callback says nothing of the payer",
        Case.PROBE: _NO_PROBE,
    },
    "xiaomi": {
        Case.STALE: _UNSIGNED_TIME,
        Case.SIGNED_HEADER: _IN_CONTENT,
        Case.SPELLING: _DECODED,
        Case.REFUND: "it has no notice of a refund; its statements have",
        Case.PROBE: _NO_PROBE,
    },
    "weibo": {Case.PROBE: "the partner protocol knows no test of the recipient"},
    "qingsongchou": {Case.PROBE: "the partner protocol knows no test of the recipient"},
    "stripe": {Case.PROBE: _NO_PROBE},
}


def impossible(sender: Sender, case: Case) -> str:
    """Why a case cannot be with this platform; "" if it can."""
    return IMPOSSIBLE[sender.code].get(case, "")

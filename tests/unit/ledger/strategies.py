"""Hypothesis: drafts that are valid, drawn from few accounts so that they meet."""

from datetime import timedelta

from hypothesis import strategies as st

from services.ledger.domain import Cause, CauseKind, EntryDraft, Transfer
from tests.unit.ledger.drafts import NOON, appealed, gift, id_of, refund, suspended

_PARTNERS = st.sampled_from(["alipay", "tencent"])
_MICROS = st.integers(1, 10**12)
_HOURS = st.sampled_from([NOON, NOON + timedelta(hours=1)])


@st.composite
def transfers(draw: st.DrawFn, micros: st.SearchStrategy[int]) -> Transfer:
    """A gift, a refund, either in suspense, or a movement that no total counts."""
    partner, amount, hour = draw(_PARTNERS), draw(micros), draw(_HOURS)
    tally = draw(st.integers(0, 3))
    match draw(
        st.sampled_from(["gift", "refund", "appeal", "suspended", "refund of suspended", "bill"])
    ):
        case "gift" | "refund" as kind:
            make = gift if kind == "gift" else refund
            transfer = make(
                amount,
                partner=partner,
                hour=hour,
                tally=tally,
                project=draw(st.sampled_from(["well", "road"])),
                campaign=draw(st.sampled_from(["", "95week"])),
                currency=draw(st.sampled_from(["CNY", "USD"])),
            )
        case "appeal":
            # Of the same code as a charity's project, to see whether they mix.
            given = appealed(amount, partner=partner, project="well", hour=hour, tally=tally)
            swapped = given._replace(debit=given.credit, credit=given.debit)
            transfer = draw(st.sampled_from([given, swapped]))
        case "suspended":
            transfer = suspended(amount, partner=partner, tally=tally)
        case "refund of suspended":
            there = suspended(amount, partner=partner, tally=tally)
            transfer = there._replace(debit=there.credit, credit=there.debit)
        case _:
            transfer = gift(amount, partner=partner)._replace(
                debit=f"partner/{partner}/settled", credit=f"partner/{partner}/claimed", hour=None
            )
    return transfer


@st.composite
def drafts(draw: st.DrawFn, micros: st.SearchStrategy[int] = _MICROS) -> EntryDraft:
    """A valid draft. Entry ids are few, so that some are used twice, with other content."""
    metadata = {}
    if draw(st.booleans()):
        until = NOON + timedelta(hours=draw(st.integers(0, 5)))
        metadata[f"complete_until/{draw(_PARTNERS)}"] = until.isoformat()
    return EntryDraft(
        entry_id=id_of(draw(st.integers(1, 12))),
        cause=Cause(CauseKind.MANUAL, draw(st.sampled_from(["a", "b"]))),
        value_time=NOON,
        metadata=metadata,
        transfers=tuple(draw(st.lists(transfers(micros), min_size=1, max_size=4))),
    )

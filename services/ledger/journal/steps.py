"""What a transfer that is more than a plain movement may do, given the transfer that it is about.

A hold ends once: it is committed in full or in part, voided, or over. What moved can be moved back,
in parts, never beyond what it moved.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from services.ledger.domain import (
    EntryDraft,
    Step,
    StepKind,
    Sums,
    Transfer,
    TransferName,
)
from services.ledger.journal.standing import Effect
from services.runtime.errors import Fault, Reason


class End(NamedTuple):
    """How and where a hold ended."""

    kind: StepKind
    sequence: int


class Named(NamedTuple):
    """A transfer in the books, and what became of it.

    end: of a hold, if it has ended. reversed: how much of it was moved back.
    """

    transfer: Transfer
    end: End | None = None
    reversed: Sums = Sums(0, 0)


Find = Callable[[TransferName], Named | None]


def effects_of(
    draft: EntryDraft, find: Find, sequence: int, now: datetime
) -> tuple[list[Effect], dict[TransferName, Named]]:
    """What the transfers of a draft do, were it entry sequence; and what then becomes of those that
    they are about, the holds among themselves included.

    find: a transfer in the books. now: when it is recorded. Raises the Fault of what cannot be
    done: HOLD_NOT_FOUND, HOLD_ENDED, HOLD_EXCEEDED, ENTRY_NOT_FOUND, NOT_REVERSIBLE,
    REVERSAL_EXCEEDED, STEP_MISMATCH or FIELD_INVALID; its metadata "field" names the transfer.
    """
    named: dict[TransferName, Named] = {}
    effects = []
    for position, transfer in enumerate(draft.transfers):
        step = transfer.step
        try:
            if step is None:
                effects.append(Effect(transfer, 0))
            elif step.of is None:
                _require_ahead(step, now)
                named[TransferName(sequence, position)] = Named(transfer)
                effects.append(Effect(transfer, transfer.micros))
            else:
                found = named.get(step.of) if step.of.sequence != sequence else None
                found = found or find(step.of)
                if step.kind is StepKind.REVERSE:
                    named[step.of] = _reversed(transfer, step.of, found)
                    effects.append(Effect(transfer, 0))
                else:
                    held = _held(step.of, found, now)
                    _require_end(transfer, step, held)
                    named[step.of] = Named(held, End(step.kind, sequence))
                    effects.append(Effect(transfer, -held.micros))
        except Fault as fault:
            fault.metadata.setdefault("field", f"transfers[{position}]")
            raise
    return effects, named


def expired(name: TransferName, hold: Transfer) -> Transfer:
    """The transfer by which a hold ends whose time is over."""
    return hold._replace(step=Step(StepKind.EXPIRE, name))


def _require_ahead(step: Step, now: datetime) -> None:
    if step.expire_time is not None and step.expire_time <= now:
        raise Fault(
            Reason.FIELD_INVALID,
            "a hold must expire after it is recorded",
            field="hold.expire_time",
        )


def _held(name: TransferName, found: Named | None, now: datetime) -> Transfer:
    """The hold, if it is one and has not ended."""
    step = found.transfer.step if found else None
    if found is None or step is None or step.kind is not StepKind.HOLD:
        raise Fault(
            Reason.HOLD_NOT_FOUND,
            f"no hold {name} stands in the books; name it by its entry's sequence and its place "
            "among that entry's transfers",
        )
    if found.end is not None:
        word = _ENDED[found.end.kind]
        raise Fault(
            Reason.HOLD_ENDED,
            f"hold {name} was {word} by entry {found.end.sequence}, and ends only once",
            end=found.end.kind.name,
            sequence=str(found.end.sequence),
        )
    if step.expire_time is not None and step.expire_time <= now:
        raise Fault(
            Reason.HOLD_ENDED,
            f"the time of hold {name} was over at {step.expire_time.isoformat()}; place another",
            end=StepKind.EXPIRE.name,
        )
    return found.transfer


_ENDED = {StepKind.COMMIT: "committed", StepKind.VOID: "voided", StepKind.EXPIRE: "expired"}


def _require_end(transfer: Transfer, step: Step, hold: Transfer) -> None:
    if step.kind is StepKind.COMMIT:
        _require_like(transfer, hold._replace(micros=transfer.micros, tally=transfer.tally))
        if transfer.micros > hold.micros or transfer.tally > hold.tally:
            raise Fault(
                Reason.HOLD_EXCEEDED,
                f"hold {step.of} reserves {hold.micros} micros and a count of {hold.tally}; commit "
                "at most that",
                held_micros=str(hold.micros),
            )
    else:
        _require_like(transfer, hold)


def _reversed(transfer: Transfer, name: TransferName, found: Named | None) -> Named:
    """What becomes of the movement that a transfer moves back."""
    if found is None:
        raise Fault(
            Reason.ENTRY_NOT_FOUND, f"no transfer {name} stands in the books; check the entry"
        )
    moved = found.transfer
    if not moved.moves or (moved.step is not None and moved.step.kind is StepKind.REVERSE):
        raise Fault(
            Reason.NOT_REVERSIBLE,
            f"transfer {name} moved nothing, or is a reversal itself; void a hold, and post a "
            "reversed movement anew",
        )
    _require_like(
        transfer,
        moved._replace(
            debit=moved.credit, credit=moved.debit, micros=transfer.micros, tally=transfer.tally
        ),
    )
    left = Sums(moved.micros - found.reversed.micros, moved.tally - found.reversed.tally)
    rest = Sums(left.micros - transfer.micros, left.tally - transfer.tally)
    if min(rest) < 0 or (rest.micros == 0 and rest.tally > 0):
        raise Fault(
            Reason.REVERSAL_EXCEEDED,
            f"of transfer {name} {left.micros} micros and a count of {left.tally} can be reversed; "
            "take at most that, and with all of the amount all of the count",
            left_micros=str(left.micros),
            left_count=str(left.tally),
        )
    return found._replace(
        reversed=Sums(
            found.reversed.micros + transfer.micros, found.reversed.tally + transfer.tally
        )
    )


def _require_like(transfer: Transfer, expected: Transfer) -> None:
    for field, value in zip(Transfer._fields, transfer, strict=True):
        if field != "step" and value != getattr(expected, field):
            raise Fault(
                Reason.STEP_MISMATCH,
                f"the {_WORDS.get(field, field)} differs from that of the transfer it is about",
            )


_WORDS = {
    "debit": "debited account",
    "credit": "credited account",
    "micros": "amount",
    "tally": "count",
}

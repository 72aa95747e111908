"""The ledger's rules once more, in plain Python, for the state machine to compare with.

It shares nouns with the ledger and no rule. Everything is a small dictionary, and nothing is fast.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from services.ledger.domain import (
    AccountLimit,
    AccountState,
    CauseKind,
    EntryDraft,
    StepKind,
    Transfer,
    TransferName,
)
from services.runtime.errors import Reason

Key = tuple[str, str]


@dataclass
class Held:
    """A hold. is_open: it has not ended."""

    transfer: Transfer
    expire_time: datetime | None
    is_open: bool = True


@dataclass
class Sides:
    """What went through an account, and what is held of it."""

    debits: int = 0
    credits: int = 0
    held_debits: int = 0
    held_credits: int = 0


class Refusal(Exception):
    """Why the model takes an entry not."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Model:
    """What stands in the books."""

    count: int = 0
    ids: dict[object, tuple[int, EntryDraft]] = field(default_factory=dict)
    accounts: dict[Key, Sides] = field(default_factory=dict)
    states: dict[Key, AccountState] = field(default_factory=dict)
    # A sponsor never gives more than was pledged, until somebody decides otherwise.
    limits: dict[Key, AccountLimit] = field(
        default_factory=lambda: {
            ("sponsor/acme/pool", "CNY"): AccountLimit.DEBITS_WITHIN_CREDITS,
        }
    )
    moved: dict[TransferName, Transfer] = field(default_factory=dict)
    reversed: dict[TransferName, list[int]] = field(default_factory=dict)
    holds: dict[TransferName, Held] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    proposals: dict[str, str] = field(default_factory=dict)
    late: list[tuple[int, int, date]] = field(default_factory=list)
    # Behind each entry: debits and credits, and what was held of either.
    past: list[dict[Key, tuple[int, int]]] = field(default_factory=lambda: [{}])
    past_held: list[dict[Key, tuple[int, int]]] = field(default_factory=lambda: [{}])

    def post(self, draft: EntryDraft, now: datetime) -> tuple[int, bool] | Reason:
        """What becomes of a draft: where it stands and whether it did before, or why not."""
        self.expire(now)
        if draft.entry_id in self.ids:
            sequence, before = self.ids[draft.entry_id]
            return (sequence, True) if before == draft else Reason.ENTRY_CONFLICT
        tried = deepcopy(self)
        try:
            tried.take(draft, now)
        except Refusal as refusal:
            return refusal.reason
        self.__dict__.update(tried.__dict__)
        return self.count, False

    def expire(self, now: datetime) -> None:
        """Ends the holds whose time is over, in one entry."""
        due = [
            hold
            for hold in self.holds.values()
            if hold.is_open and hold.expire_time is not None and hold.expire_time <= now
        ]
        if not due:
            return
        for hold in due:
            self._free(hold)
        self._written()

    def take(self, draft: EntryDraft, now: datetime) -> None:
        """Writes a draft down. Raises Refusal, half done."""
        is_counted = draft.cause.kind is CauseKind.INTAKE_BATCH
        if draft.cause.kind is CauseKind.ACCOUNT:
            self._decide(draft)
        elif draft.cause.kind is CauseKind.PERIOD:
            self._decide_period(draft)
        else:
            if self._state_on(_day(draft.value_time)) == "CLOSED" and not is_counted:
                raise Refusal(Reason.PERIOD_CLOSED)
            if any(transfer.step is not None for transfer in draft.transfers):
                self._check_steps(draft.transfers, now)
            self._move(draft.transfers, is_bound=not is_counted)
        if is_counted:
            for position, transfer in enumerate(draft.transfers):
                day = _day(transfer.hour or draft.value_time)
                is_of_gifts = "partner/alipay/claimed" in (transfer.debit, transfer.credit)
                if is_of_gifts and self._state_on(day) != "OPEN":
                    self.late.append((self.count + 1, position, day))
        self._written()
        self.ids[draft.entry_id] = (self.count, draft)

    def _check_steps(self, transfers: Sequence[Transfer], now: datetime) -> None:
        for transfer in transfers:
            step = transfer.step
            if step is None:
                continue
            if step.of is None:
                if step.expire_time is not None and step.expire_time <= now:
                    raise Refusal(Reason.FIELD_INVALID)
                continue
            if step.kind is StepKind.REVERSE:
                if step.of not in self.moved:
                    raise Refusal(Reason.NOT_REVERSIBLE)
                moved, back = self.moved[step.of], self.reversed.setdefault(step.of, [0, 0])
                back[0] += transfer.micros
                back[1] += transfer.tally
                left = (moved.micros - back[0], moved.tally - back[1])
                if min(left) < 0 or (left[0] == 0 and left[1] > 0):
                    raise Refusal(Reason.REVERSAL_EXCEEDED)
            else:
                hold = self.holds[step.of]
                if not hold.is_open:
                    raise Refusal(Reason.HOLD_ENDED)
                if transfer.micros > hold.transfer.micros:
                    raise Refusal(Reason.HOLD_EXCEEDED)

    def _move(self, transfers: Sequence[Transfer], *, is_bound: bool) -> None:
        before = {key: self._beyond(key) for key in self.limits}
        for position, transfer in enumerate(transfers):
            name = TransferName(self.count + 1, position)
            sides = _keys(transfer)
            step = transfer.step.kind if transfer.step else None
            for key in sides:
                state = self.states.get(key, AccountState.OPEN)
                if is_bound and step is not StepKind.VOID and state is not AccountState.OPEN:
                    frozen = state is AccountState.FROZEN
                    raise Refusal(Reason.ACCOUNT_FROZEN if frozen else Reason.ACCOUNT_CLOSED)
            debit, credit = (self.accounts.setdefault(key, Sides()) for key in sides)
            if step is StepKind.HOLD:
                assert transfer.step is not None
                debit.held_debits += transfer.micros
                credit.held_credits += transfer.micros
                self.holds[name] = Held(transfer, transfer.step.expire_time)
                continue
            if step in (StepKind.COMMIT, StepKind.VOID):
                assert transfer.step is not None
                assert transfer.step.of is not None
                self._free(self.holds[transfer.step.of])
            if step is not StepKind.VOID:
                debit.debits += transfer.micros
                credit.credits += transfer.micros
            if step in (None, StepKind.COMMIT):
                self.moved[name] = transfer
        for key, was in before.items():
            if is_bound and self._beyond(key) > max(0, was):
                raise Refusal(Reason.LIMIT_EXCEEDED)

    def _free(self, hold: Held) -> None:
        debit, credit = (self.accounts[key] for key in _keys(hold.transfer))
        debit.held_debits -= hold.transfer.micros
        credit.held_credits -= hold.transfer.micros
        hold.is_open = False

    def _beyond(self, key: Key, limit: AccountLimit | None = None) -> int:
        sides = self.accounts.get(key, Sides())
        match limit or self.limits[key]:
            case AccountLimit.DEBITS_WITHIN_CREDITS:
                return sides.debits + sides.held_debits - sides.credits
            case AccountLimit.CREDITS_WITHIN_DEBITS:
                return sides.credits + sides.held_credits - sides.debits
            case _:
                return -(2**63)

    def _decide(self, draft: EntryDraft) -> None:
        code, _, currency = draft.cause.id.rpartition(":")
        key = (code, currency)
        state = draft.metadata.get("account/state")
        limit = draft.metadata.get("account/limit")
        if "account/opened" in draft.metadata:
            self.accounts.setdefault(key, Sides())
            return
        if key not in self.accounts:
            raise Refusal(Reason.ACCOUNT_NOT_FOUND)
        if self.states.get(key) is AccountState.CLOSED:
            raise Refusal(Reason.ACCOUNT_CLOSED)
        sides = self.accounts[key]
        if state == "CLOSED" and (
            sides.debits != sides.credits or sides.held_debits or sides.held_credits
        ):
            raise Refusal(Reason.ACCOUNT_NOT_EMPTY)
        if limit is not None and self._beyond(key, AccountLimit[limit]) > 0:
            raise Refusal(Reason.LIMIT_EXCEEDED)
        if state is not None:
            self.states[key] = AccountState[state]
        if limit is not None:
            self.limits[key] = AccountLimit[limit]

    def _decide_period(self, draft: EntryDraft) -> None:
        name, action, by = (
            draft.cause.id,
            draft.metadata["period/action"],
            draft.metadata["by"],
        )
        state = self.periods.get(name, "OPEN")
        wanted, then = {
            "BEGIN_CLOSING": ("OPEN", "CLOSING"),
            "CLOSE": ("CLOSING", "CLOSED"),
            "CANCEL_CLOSING": ("CLOSING", "OPEN"),
            "PROPOSE_REOPENING": ("CLOSED", "CLOSED"),
            "APPROVE_REOPENING": ("CLOSED", "OPEN"),
        }[action]
        if state != wanted:
            raise Refusal(Reason.PERIOD_STATE_CONFLICT)
        proposed = self.proposals.get(name)
        if action == "PROPOSE_REOPENING":
            if proposed is not None:
                raise Refusal(Reason.PERIOD_STATE_CONFLICT)
            self.proposals[name] = by
        if action == "APPROVE_REOPENING":
            if proposed is None:
                raise Refusal(Reason.PERIOD_STATE_CONFLICT)
            if proposed == by:
                raise Refusal(Reason.SECOND_PERSON_REQUIRED)
            del self.proposals[name]
        self.periods[name] = then

    def _state_on(self, day: date) -> str:
        states = {self.periods.get(name, "OPEN") for name in (f"{day}", f"{day:%Y-%m}")}
        return next(state for state in ("CLOSED", "CLOSING", "OPEN") if state in states)

    def _written(self) -> None:
        self.count += 1
        self.past.append(
            {key: (s.debits, s.credits) for key, s in self.accounts.items() if s.debits + s.credits}
        )
        self.past_held.append(
            {key: (s.held_debits, s.held_credits) for key, s in self.accounts.items()}
        )


def _keys(transfer: Transfer) -> tuple[Key, Key]:
    return (transfer.debit, transfer.currency), (transfer.credit, transfer.currency)


def _day(time: datetime) -> date:
    return (time.astimezone(UTC) + timedelta(hours=8)).date()

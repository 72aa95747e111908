"""Statements on the wire."""

from watersmeet.ledger.v1 import statement_service_pb2 as pb
from watersmeet.type.v1 import money_pb2

from services.ledger.domain import AccountKind, StatementLine
from services.ledger.journal.standing import Turnover
from services.ledger.reading.history import Statement
from services.ledger.wire.convert import cause_message, money, stamp_of


def page_message(currency: str, statement: Statement) -> pb.GetStatementResponse:
    """One page, without its token."""
    lines, closing = _lines(currency, statement)
    return pb.GetStatementResponse(
        opening_balance=_balance(currency, statement.kind, statement.opening),
        lines=lines,
        closing_balance=closing,
        as_of_sequence=statement.through,
    )


def part_message(currency: str, statement: Statement) -> pb.StreamStatementResponse:
    """One part of a stream."""
    lines, closing = _lines(currency, statement)
    return pb.StreamStatementResponse(
        opening_balance=_balance(currency, statement.kind, statement.opening),
        lines=lines,
        closing_balance=closing,
        as_of_sequence=statement.through,
    )


def _lines(currency: str, statement: Statement) -> tuple[list[pb.StatementLine], money_pb2.Money]:
    """The lines, each with the balance after it, and the last of these balances."""
    debits, credits_ = statement.opening.debits, statement.opening.credits
    messages = []
    for line in statement.lines:
        if line.is_debit:
            debits += line.micros
        else:
            credits_ += line.micros
        balance = _balance(currency, statement.kind, Turnover(debits, credits_))
        messages.append(_line(currency, line, balance))
    return messages, _balance(currency, statement.kind, Turnover(debits, credits_))


def _line(currency: str, line: StatementLine, balance: money_pb2.Money) -> pb.StatementLine:
    amount = money(currency, line.micros)
    return pb.StatementLine(
        sequence=line.name.sequence,
        position=line.name.position,
        cause=cause_message(line.cause),
        recorded_time=stamp_of(line.recorded_time),
        value_date=line.value_date.isoformat(),
        counterpart=line.counterpart,
        debit=amount if line.is_debit else None,
        credit=None if line.is_debit else amount,
        balance=balance,
        campaign=line.campaign,
        project=line.project,
    )


def _balance(currency: str, kind: AccountKind, turnover: Turnover) -> money_pb2.Money:
    signed = turnover.debits - turnover.credits
    return money(currency, signed if kind.debit_normal else -signed)

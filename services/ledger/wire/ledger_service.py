"""LedgerService: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.ledger.domain import INT64_MAX, AccountName, CauseKind, EntryDraft
from services.ledger.journal.drafts import Drafts
from services.ledger.journal.plan import Outcome
from services.ledger.journal.rules import ENTRIES_MAX, intakes_fact
from services.ledger.posting.writer import Writer
from services.ledger.reading.feed import Feed, Posted
from services.ledger.reading.history import History
from services.ledger.reading.reader import Reader
from services.ledger.wire import convert
from services.ledger.wire.convert_columns import NotPlain, drafts_of
from services.ledger.wire.convert_drafts import draft_of, response_of
from services.ledger.wire.convert_feed import checkpoint_message
from services.runtime.call import current_call
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Role
from services.runtime.paging import page_size, position_of, token_after
from services.runtime.served import Context

CELLS_A_MESSAGE = 5_000
_MANY = 32
"""So many drafts are read in columns, which a few would only make dearer."""

LIST_BYTES = 3 * 1024 * 1024
"""A page of entries ends early when it is as large as this."""


class LedgerService(pb_grpc.LedgerServiceServicer):
    """Serves watersmeet.ledger.v1.LedgerService."""

    def __init__(self, writer: Writer, reader: Reader, history: History, feed: Feed) -> None:
        self._writer = writer
        self._reader = reader
        self._history = history
        self._feed = feed

    async def CreateAccount(
        self, request: pb.CreateAccountRequest, _context: Context
    ) -> pb.CreateAccountResponse:
        """Opens an account."""
        name = convert.name_of(request.code, request.currency_code)
        entry_id = convert.entry_id_of(request.request_id, "request_id")
        await self._writer.open_account(name, entry_id, str(current_call().caller))
        account = await self._reader.account(name)
        return pb.CreateAccountResponse(account=convert.account_message(account))

    async def GetAccount(
        self, request: pb.GetAccountRequest, _context: Context
    ) -> pb.GetAccountResponse:
        """Returns an account."""
        account = await self._reader.account(convert.name_of(request.code, request.currency_code))
        return pb.GetAccountResponse(account=convert.account_message(account))

    async def ListAccounts(
        self, request: pb.ListAccountsRequest, _context: Context
    ) -> pb.ListAccountsResponse:
        """Lists accounts."""
        scope = ("ListAccounts", request.code_prefix)
        size = page_size(request.page_size)
        after = None
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after = AccountName(ended.text(), ended.text())
        accounts = await self._reader.accounts(
            prefix=request.code_prefix, after=after, limit=size + 1
        )
        response = pb.ListAccountsResponse(accounts=map(convert.account_message, accounts[:size]))
        if len(accounts) > size:
            response.next_page_token = token_after(list(accounts[size - 1].name), *scope)
        return response

    async def PostEntries(
        self, request: pb.PostEntriesRequest, _context: Context
    ) -> pb.PostEntriesResponse:
        """Posts entries."""
        if not request.entries:
            raise Fault(Reason.FIELD_REQUIRED, "send at least one entry", field="entries")
        if len(request.entries) > ENTRIES_MAX:
            raise Fault(
                Reason.FIELD_INVALID,
                f"a call takes at most {ENTRIES_MAX} entries; send several calls",
                field="entries",
            )
        return response_of(request.entries, await self._post(request))

    async def _post(self, request: pb.PostEntriesRequest) -> list[Outcome]:
        of_service = current_call().caller.role is Role.SERVICE
        if len(request.entries) >= _MANY:
            try:
                return await self._writer.post_all(
                    _all_allowed(drafts, of_service) for drafts in drafts_of(request)
                )
            except NotPlain:
                pass  # and what is wrong is told below
        return await self._writer.post(
            _allowed(draft_of(entry), of_service) for entry in request.entries
        )

    async def GetEntry(self, request: pb.GetEntryRequest, _context: Context) -> pb.GetEntryResponse:
        """Returns an entry."""
        match request.WhichOneof("name"):
            case "sequence":
                entry = await self._reader.entry(request.sequence)
            case "entry_id":
                entry = await self._reader.entry(convert.entry_id_of(request.entry_id, "entry_id"))
            case _:
                raise Fault(
                    Reason.FIELD_REQUIRED, "name the entry by sequence or entry_id", field="name"
                )
        return pb.GetEntryResponse(entry=convert.entry_message(entry))

    async def ListEntries(
        self, request: pb.ListEntriesRequest, _context: Context
    ) -> pb.ListEntriesResponse:
        """Lists entries."""
        cause = convert.cause_of(request.cause) if request.HasField("cause") else None
        start, end = convert.span_of(request)
        scope = ("ListEntries", request.account, *map(str, (*(cause or ()), start, end)))
        size_max = page_size(request.page_size)
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after, through = ended.number(), ended.number()
        else:
            after, through = await self._history.span(start, end, INT64_MAX)
        page = await self._reader.entries(
            account=request.account, cause=cause, after=after, through=through, limit=size_max
        )
        response = pb.ListEntriesResponse()
        size = 0
        for entry in page.entries:
            message = convert.entry_message(entry)
            size += message.ByteSize()
            if response.entries and size > LIST_BYTES:
                break
            response.entries.append(message)
        if page.more or len(response.entries) < len(page.entries):
            last = response.entries[-1].sequence
            response.next_page_token = token_after([last, through], *scope)
        return response

    async def GetBalance(
        self, request: pb.GetBalanceRequest, _context: Context
    ) -> pb.GetBalanceResponse:
        """Returns a balance."""
        name = convert.name_of(request.code, request.currency_code)
        if request.HasField("as_of"):
            as_of = convert.as_of_of(request.as_of)
            head = await self._reader.head_sequence()
            balance, sequence = await self._history.balance(name, as_of, head)
        else:
            balance, sequence = await self._reader.balance(name)
        response = pb.GetBalanceResponse(as_of_sequence=sequence)
        convert.put_balance(response.balance, balance)
        return response

    async def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, _context: Context
    ) -> pb.GetTrialBalanceResponse:
        """Returns all balances."""
        if request.HasField("as_of"):
            as_of = convert.as_of_of(request.as_of)
            head = await self._reader.head_sequence()
            trial = await self._history.trial_balance(request.currency_code, as_of, head)
        else:
            trial = await self._reader.trial_balance(request.currency_code)
        return pb.GetTrialBalanceResponse(
            balances=map(convert.balance_message, trial.balances),
            sums=map(convert.sums_message, trial.sums),
            as_of_sequence=trial.sequence,
        )

    async def StreamEntries(
        self, request: pb.StreamEntriesRequest, _context: Context
    ) -> AsyncIterator[pb.StreamEntriesResponse]:
        """Streams entries and checkpoints."""
        after = convert.sequence_of(request.after_sequence, "after_sequence")
        async with aclosing(self._feed.entries(after)) as news:
            async for item in news:
                if isinstance(item, Posted):
                    posted = pb.PostedEntry(entry=convert.entry_message(item.entry))
                    convert.put_cells(posted.changes.add, item.changes.items())
                    yield pb.StreamEntriesResponse(posted=posted)
                else:
                    yield pb.StreamEntriesResponse(checkpoint=checkpoint_message(item))

    async def ReadTotals(
        self, _request: pb.ReadTotalsRequest, _context: Context
    ) -> AsyncIterator[pb.ReadTotalsResponse]:
        """Streams the totals at one sequence."""
        async with aclosing(self._reader.totals(CELLS_A_MESSAGE)) as pages:
            async for page in pages:
                time = page.head.recorded_time
                response = pb.ReadTotalsResponse(
                    as_of_sequence=page.head.sequence,
                    as_of_time=convert.stamp_of(time) if time else None,
                    as_of_hash=page.head.hash,
                    watermarks={
                        partner: convert.stamp_of(until)
                        for partner, until in page.watermarks.items()
                    },
                )
                convert.put_cells(response.cells.add, page.rows)
                yield response


def _all_allowed(drafts: Drafts, of_service: bool) -> Drafts:
    """As `_allowed`, of plain drafts. Raises NotPlain."""
    if not of_service and drafts.any_of(CauseKind.INTAKE_BATCH):
        raise NotPlain
    return drafts


def _allowed(draft: EntryDraft | Fault, of_service: bool) -> EntryDraft | Fault:
    """What intake counted is recorded whatever binds the accounts, so only services may say it."""
    if isinstance(draft, Fault) or of_service:
        return draft
    if draft.cause.kind is CauseKind.INTAKE_BATCH:
        return Fault(
            Reason.PERMISSION_DENIED,
            "only a service posts what intake counted; name the document that the entry rests on, "
            "as a manual cause",
            field="cause.kind",
        )
    if key := intakes_fact(draft.metadata):
        return Fault(
            Reason.PERMISSION_DENIED,
            f"only a service states {key}; leave it out",
            field=f"metadata[{key}]",
        )
    return draft

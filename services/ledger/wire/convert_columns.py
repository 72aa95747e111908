"""Drafts from the wire, in columns: where thousands of plain ones come in a call.

To read a draft field by field takes longer than all else that is done with it. Arrow's columns are
read from the message's bytes at once (ptars), and Python sees a value of each draft only where it
needs one. Only what is right is read so. For anything else there is the other way
(convert_drafts.py), which tells what is wrong.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from ptars import HandlerPool
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.ledger.domain import Cause, EntryId
from services.ledger.journal.drafts import Drafts, prepare_all
from services.ledger.journal.movements import moves_of, route_of
from services.ledger.journal.routes import Move, Route
from services.ledger.wire.convert import cause_of_fields, moment
from services.runtime.call import UUID_PATTERN
from services.runtime.errors import Fault

_AT_ONCE = 250
"""Drafts."""

_TRANSFERS_MAX = 10_000
_BYTES_FEW = 256 * 1024
"""A call of more transfers is read one by one, between which others have their turn: in two bytes
each a call can have millions. In so few bytes they need not be counted."""

_STEPS = [field.name for field in pb.Transfer.DESCRIPTOR.oneofs_by_name["step"].fields]

_ENTRY_ID = rf"\A{UUID_PATTERN}\z"

_BETWEEN = "\n"
"""What a way consists of. No text that may stand there has it."""


class NotPlain(Exception):
    """Some draft of a call is wrong, or more than plain movements; or they are too many."""


def drafts_of(request: pb.PostEntriesRequest) -> Iterator[Drafts]:
    """The drafts of a call, ready to be posted, some at a time. Raises NotPlain."""
    # Its bytes anew, not those that came: what protobuf has understood, in its one form.
    message = request.SerializeToString()
    if len(message) > _BYTES_FEW and _transfers_in(request) > _TRANSFERS_MAX:
        raise NotPlain
    [entries] = _READER.list_to_record_batch([message]).column("entries")
    drafts = _fields(entries.values)
    try:
        entry_ids = _entry_ids(drafts["entry_id"])
        causes, value_times = _causes(drafts["cause"]), _times(drafts["value_time"])
        moves = _moves(drafts["transfers"])
        if any(drafts["reverses"].to_pylist()) or len(drafts["metadata"].values):
            raise NotPlain
        for begin in range(0, len(entry_ids), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            yield prepare_all(entry_ids[some], causes[some], value_times[some], moves[some])
    except (Fault, OverflowError) as error:
        raise NotPlain from error


def _transfers_in(request: pb.PostEntriesRequest) -> int:
    return sum([len(entry.transfers) for entry in request.entries])


def _entry_ids(texts: pa.StringArray) -> list[EntryId]:
    if not pc.all(pc.match_substring_regex(texts, _ENTRY_ID), min_count=0).as_py():
        raise NotPlain
    entry_ids: list[EntryId] = pc.ascii_lower(texts).to_pylist()
    return entry_ids


def _causes(causes: pa.StructArray) -> list[Cause]:
    parts = _fields(causes)
    return list(map(cause_of_fields, _numbers(parts["kind"]), _texts(parts["id"])))


def _moves(transfers: pa.ListArray) -> list[list[Move]]:
    """Of each draft."""
    parts = _fields(transfers.values)
    if any(parts[step].null_count < len(parts[step]) for step in _STEPS):
        raise NotPlain
    amounts = _fields(parts["amount"])
    routes = _routes(parts, amounts["currency_code"])
    moves = moves_of(routes, _numbers(amounts["micros"]), _numbers(parts["count"]))
    return [moves[begin:end] for begin, end in pairwise(transfers.offsets.to_pylist())]


def _routes(parts: dict[str, pa.Array], currencies: pa.StringArray) -> list[Route]:
    """Of each transfer. Most of them go ways that others go, and Python sees each way once."""
    hours = _fields(parts["hour"])
    if any(_numbers(hours["nanos"].unique())):
        raise NotPlain
    ways = pc.binary_join_element_wise(
        parts["debit_account"],
        parts["credit_account"],
        currencies,
        parts["campaign"],
        parts["project"],
        pc.if_else(parts["hour"].is_valid(), hours["seconds"], None).cast(pa.string()),
        _BETWEEN,
        null_handling="replace",
    ).dictionary_encode()
    routes = list(map(_route_of, ways.dictionary.to_pylist()))
    return list(map(routes.__getitem__, ways.indices.to_pylist()))


@lru_cache(maxsize=65_536)
def _route_of(way: str) -> Route:
    try:
        debit, credit, currency, campaign, project, seconds = way.split(_BETWEEN)
    except ValueError:  # what stands between them stands in one of them
        raise NotPlain from None
    hour = moment(int(seconds), 0) if seconds else None
    return route_of(debit, credit, currency, campaign, project, hour)


def _times(stamps: pa.StructArray) -> list[datetime]:
    if stamps.null_count:
        raise NotPlain
    parts = _fields(stamps)
    return list(map(moment, _numbers(parts["seconds"]), _numbers(parts["nanos"])))


def _fields(structs: pa.StructArray) -> dict[str, pa.Array]:
    return {field.name: structs.field(place) for place, field in enumerate(structs.type)}


def _texts(column: pa.StringArray) -> list[str]:
    """Of a message that may be missing: empty there."""
    texts: list[str] = column.fill_null("").to_pylist()
    return texts


def _numbers(column: pa.IntegerArray) -> list[int]:
    """Of a message that may be missing: 0 there."""
    numbers: list[int] = column.fill_null(0).to_pylist()
    return numbers


def _with_imports(file: FileDescriptor) -> list[FileDescriptor]:
    """The files that a file imports, each behind its own imports, and the file."""
    files = {found.name: found for one in file.dependencies for found in _with_imports(one)}
    return [*files.values(), file]


def _pool_of(file: FileDescriptor) -> DescriptorPool:
    """The file's messages, with times that are seconds and nanos like any message.

    ptars knows Timestamp by its name, and makes one number of it, which cannot tell a time that is
    none from one that is.
    """
    pool = DescriptorPool()
    for each in _with_imports(file):
        pool.AddSerializedFile(each.serialized_pb.replace(b"Timestamp", b"TimeStamp"))
    return pool


_REQUEST = pb.PostEntriesRequest.DESCRIPTOR
_COLUMNS = _pool_of(_REQUEST.file).FindMessageTypeByName(_REQUEST.full_name)
_READER = HandlerPool([_COLUMNS.file]).get_for_message(_COLUMNS)

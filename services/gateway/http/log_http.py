"""GET /v1/log/…: the ledger's log for anyone: checkpoints as they were signed, keys, and proofs."""

import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
import structlog
from aiohttp import web
from multidict import MultiMapping
from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.gateway.http.answers import json_answer
from services.gateway.http.exchange import REQUEST_ID
from services.runtime.alternatives import Alternatives
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

_Answer = TypeVar("_Answer")

_AT_ONCE_MAX = 32
_TIMEOUT_S = 5.0
_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBER_MAX = 2**63 - 1
_LATEST_S = 1.0
"""For how long the latest checkpoint is answered from memory."""

_BRIEFLY = "public, max-age=1"
_FOR_EVER = "public, max-age=31536000, immutable"

# What these faults say of the inside of the mesh is for the log, not for the world.
_AWAY = frozenset({Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN})


class LogOverHttp:
    """Asks the ledger. So many at once, each for so long, so that readers cannot crowd it."""

    def __init__(self, ledgers: Sequence["pb_grpc.LogServiceAsyncStub"]) -> None:
        """ledgers: all of them; one that answers is enough, and is asked from then on."""
        self._ledgers = Alternatives(ledgers)
        self._under_way = 0
        self._latest: tuple[float, pb.SignedCheckpoint] | None = None

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """What is where."""
        router.add_get("/v1/log/checkpoint", self.latest)
        router.add_get(r"/v1/log/checkpoint/{size:[1-9]\d{0,18}}", self.checkpoint)
        router.add_get("/v1/log/checkpoints", self.checkpoints)
        router.add_get("/v1/log/keys", self.keys)
        router.add_get("/v1/log/inclusion", self.inclusion)
        router.add_get("/v1/log/consistency", self.consistency)

    async def latest(self, request: web.Request) -> web.Response:
        """The latest checkpoint, to the byte. Raises Fault(CHECKPOINT_NOT_FOUND)."""
        _numbers(request.query)
        if self._latest is None or time.monotonic() - self._latest[0] > _LATEST_S:
            asked = time.monotonic()
            answer = await self._ask(
                request, lambda log, how: log.GetCheckpoint(pb.GetCheckpointRequest(), **how)
            )
            self._latest = (asked, answer.checkpoint)
        return _text(self._latest[1].note, _BRIEFLY)

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The checkpoint of a size, to the byte. Raises Fault(CHECKPOINT_NOT_FOUND)."""
        _numbers(request.query)
        wanted = pb.GetCheckpointRequest(size=min(int(request.match_info["size"]), _NUMBER_MAX))
        answer = await self._ask(request, lambda log, how: log.GetCheckpoint(wanted, **how))
        return _text(answer.checkpoint.note, _FOR_EVER)

    async def checkpoints(self, request: web.Request) -> web.Response:
        """Up to a hundred checkpoints behind a size."""
        after = _numbers(request.query, "after").get("after", 0)
        wanted = pb.ListCheckpointsRequest(after_size=after)
        answer = await self._ask(request, lambda log, how: log.ListCheckpoints(wanted, **how))
        body = {
            "checkpoints": [{"size": one.size, "note": one.note} for one in answer.checkpoints],
            "more": bool(answer.next_page_token),
        }
        return _json(body)

    async def keys(self, request: web.Request) -> web.Response:
        """The log's verifier keys, one a line."""
        _numbers(request.query)
        answer = await self._ask(
            request, lambda log, how: log.ListLogKeys(pb.ListLogKeysRequest(), **how)
        )
        return _text("".join(f"{key}\n" for key in answer.verifier_keys), _BRIEFLY)

    async def inclusion(self, request: web.Request) -> web.Response:
        """Proves an entry. Raises Fault(ENTRY_NOT_FOUND, ENTRY_NOT_IN_LOG, …)."""
        numbers = _numbers(request.query, "entry", "size")
        if "entry" not in numbers:
            raise Fault(Reason.FIELD_REQUIRED, "name the entry: entry=<sequence>", field="entry")
        wanted = pb.GetInclusionProofRequest(sequence=numbers["entry"], size=numbers.get("size", 0))
        proof = await self._ask(request, lambda log, how: log.GetInclusionProof(wanted, **how))
        body = {
            "sequence": proof.sequence,
            "leaf_index": proof.sequence - 1,
            "entry_hash": proof.entry_hash.hex(),
            "hashes": _hashes(proof.hashes),
            "checkpoint": proof.checkpoint.note,
        }
        return _json(body)

    async def consistency(self, request: web.Request) -> web.Response:
        """Proves one checkpoint's tree to begin with another's."""
        numbers = _numbers(request.query, "first", "second")
        wanted = pb.GetConsistencyProofRequest(
            first_size=numbers.get("first", 0), second_size=numbers.get("second", 0)
        )
        proof = await self._ask(request, lambda log, how: log.GetConsistencyProof(wanted, **how))
        body = {
            "hashes": _hashes(proof.hashes),
            "first": proof.first.note,
            "second": proof.second.note,
        }
        return _json(body)

    async def _ask(
        self,
        request: web.Request,
        call: Callable[["pb_grpc.LogServiceAsyncStub", dict[str, Any]], Awaitable[_Answer]],
    ) -> _Answer:
        if self._under_way >= _AT_ONCE_MAX:
            raise Fault(
                Reason.QUEUE_FULL, "too many readers of the log; ask again", retry_after=1.0
            )
        self._under_way += 1
        try:
            return await self._first_answer(request[REQUEST_ID], call)
        finally:
            self._under_way -= 1

    async def _first_answer(
        self,
        request_id: str,
        call: Callable[["pb_grpc.LogServiceAsyncStub", dict[str, Any]], Awaitable[_Answer]],
    ) -> _Answer:
        away: Fault | None = None
        how = {"timeout": _TIMEOUT_S, "metadata": (("x-request-id", request_id),)}
        for _ in range(len(self._ledgers)):
            ledger = self._ledgers.current
            try:
                return await call(ledger, how)
            except grpc.aio.AioRpcError as error:
                away = fault_from_rpc_error(error)
                if away.reason not in _AWAY:
                    raise away from error
                # Who waited for the same one as we did has given it up already, perhaps.
                if ledger is self._ledgers.current:
                    self._ledgers.give_up()
        assert away is not None, "there is a ledger"
        _log.warning("the ledger is away", error=away.message[:500], request_id=request_id)
        raise Fault(away.reason, "the log cannot be read now; ask again", retry_after=1.0)


def _numbers(query: MultiMapping[str], *names: str) -> dict[str, int]:
    """The parameters that there are, each a number. Raises Fault(FIELD_INVALID)."""
    numbers = {}
    for name, value in query.items():
        if name not in names:
            known = "use " + ", ".join(names) if names else "there is none"
            raise Fault(
                Reason.FIELD_INVALID, f"{name[:32]!a} is no parameter: {known}", field="query"
            )
        if not _NUMBER.fullmatch(value) or int(value) > _NUMBER_MAX:
            raise Fault(Reason.FIELD_INVALID, f"{name} must be a number", field=name)
        numbers[name] = int(value)
    return numbers


def _hashes(hashes: Sequence[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]


def _text(text: str, cache: str) -> web.Response:
    return web.Response(text=text, headers={"Cache-Control": cache})


def _json(body: object) -> web.Response:
    answer = json_answer(body)
    answer.headers["Cache-Control"] = _BRIEFLY
    return answer

"""Page tokens that pass the check and hold anything, and the lists that have to bear them."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error

_CHECK = bytes(8)
_TIMEOUT_S = 20.0


def let_tokens_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever makes a token had made its check too, for whatever list: it is no secret."""
    monkeypatch.setattr("services.runtime.paging._check", lambda *_: _CHECK)


def forged(parts: object) -> str:
    """A token that holds these parts."""
    return urlsafe_b64encode(_CHECK + json.dumps(parts).encode()).rstrip(b"=").decode()


def lists_of(*modules: Any) -> dict[str, Any]:
    """Every list of the services in these modules: "/<service>/<method>" to its descriptor."""
    return {
        f"/{service.full_name}/{method.name}": method
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if "page_token" in method.input_type.fields_by_name
    }


async def outcomes(
    channel: grpc.aio.Channel, lists: Mapping[str, Any], asked: Mapping[str, Any], token: str
) -> dict[str, Reason | None]:
    """What each list answers to a token: a reason, or None for a page. asked: further fields."""

    async def ask(path: str, method: Any) -> Reason | None:
        call: Any = channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        fields = asked.get(method.name, {})
        request = GetMessageClass(method.input_type)(page_token=token, **fields)
        try:
            await call(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return fault_from_rpc_error(error).reason
        return None

    found = await asyncio.gather(*(ask(path, method) for path, method in lists.items()))
    return dict(zip(lists, found, strict=True))


_numbers = st.integers(0, 20) | st.sampled_from(
    [2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**63, -1, 253402300799999999]
)
_texts = st.text(max_size=5) | st.sampled_from(["\0", "\ud800", "project/well/fund", "CNY"])
_days = st.dates().map(lambda day: day.isoformat())
_digests = st.binary(max_size=40).map(bytes.hex)
_anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _texts | _days | _digests,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=2), parts),
    max_leaves=3,
)
_KINDS = {"n": _numbers, "t": _texts, "d": _days, "h": _digests, "?": _anything}
_SHAPES = ["t", "tt", "tn", "n", "nn", "nnn", "nt", "nh", "dnn", "nnntth"]


@st.composite
def contents(draw: st.DrawFn) -> object:
    """What a forged token holds: mostly the parts of some list's, now and then anything."""
    shape = list(draw(st.sampled_from(_SHAPES)))
    if draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = "?"
    parts = [draw(_KINDS[kind]) for kind in shape]
    return draw(st.sampled_from([parts, parts, parts[:-1], [*parts, 1], *parts[:1]]))

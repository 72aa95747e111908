"""What a call's caller may say about itself."""

from uuid import uuid4

import pytest

from services.runtime.call import Call, current_call, enter_call, partner_of, require_request_id
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role


def call_of(role: Role, name: str = "alipay") -> Call:
    return Call("/a.B/C", Caller(role, name), str(uuid4()))


def test_a_partner_speaks_for_itself() -> None:
    assert partner_of(call_of(Role.PARTNER), "") == "alipay"
    assert partner_of(call_of(Role.PARTNER), "alipay") == "alipay"


def test_a_partner_cannot_name_another() -> None:
    with pytest.raises(Fault) as caught:
        partner_of(call_of(Role.PARTNER), "tencent")
    assert caught.value.reason is Reason.PARTNER_MISMATCH


def test_others_name_a_partner() -> None:
    assert partner_of(call_of(Role.FINANCE, "local"), "tencent") == "tencent"
    with pytest.raises(Fault) as caught:
        partner_of(call_of(Role.OPERATOR, "local"), "")
    assert caught.value.reason is Reason.FIELD_REQUIRED
    assert caught.value.metadata == {"field": "partner"}


async def test_a_task_has_its_own_call() -> None:
    with pytest.raises(LookupError):
        current_call()
    call = call_of(Role.PARTNER)
    enter_call(call)
    assert current_call() is call


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
        "01890a5d-ac96-774b-bcce-b302099a805g",
    ],
)
def test_a_request_id_is_a_uuid(text: str) -> None:
    with pytest.raises(Fault) as caught:
        require_request_id(text)
    assert caught.value.reason is Reason.REQUEST_ID_INVALID


def test_any_version_of_uuid_will_do() -> None:
    for text in (str(uuid4()), "01890A5D-AC96-774B-BCCE-B302099A8057"):
        assert require_request_id(text) == text

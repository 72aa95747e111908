"""Who a SPIFFE URI names, and which texts name nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role, parse_spiffe

NAMES = st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True)


@given(st.builds(Caller, st.sampled_from(Role), NAMES))
def test_a_caller_is_read_back_from_its_uri(caller: Caller) -> None:
    assert parse_spiffe(caller.spiffe("watersmeet"), "watersmeet") == caller


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://watersmeet",
        "spiffe://watersmeet/",
        "spiffe://watersmeet/partner",
        "spiffe://watersmeet/partner/",
        "spiffe://watersmeet/partner/Alipay",
        "spiffe://watersmeet/partner/ali pay",
        "spiffe://watersmeet/partner/alipay\n",
        "spiffe://watersmeet/partner/alipay/",
        "spiffe://watersmeet/partner/alipay/more",
        "spiffe://watersmeet/partner/" + "a" * 65,
        "spiffe://watersmeet/donor/alipay",
        "spiffe://elsewhere/partner/alipay",
        "spiffe://watersmeet.evil/partner/alipay",
        "https://watersmeet/partner/alipay",
        "partner/alipay",
    ],
)
def test_anything_else_names_nobody(uri: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_spiffe(uri, "watersmeet")
    assert caught.value.reason is Reason.IDENTITY_UNKNOWN
    assert "spiffe://watersmeet/" in caught.value.message, "it says what is needed"

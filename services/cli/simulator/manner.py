"""How each partner reports: in which ways, currencies and grains. One row a partner."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.cli.simulator.reports import Way

FEN = 10_000
"""The micros of a fen, and of a cent."""


@dataclass(frozen=True, slots=True)
class Manner:
    """One partner's.

    share: of the gifts that the native platforms leave; 0 for those themselves.
    bulk: how most gifts travel. singly: the ways of the rest, and of refunds, in turn.
    grains: its currencies, each with the micros of the least amount that it can state.
    whole_seconds: whether its times are.
    prefix: what its ids begin with, before the time.
    gives_back: whether it reports refunds. refunded_permille: of how many of a thousand gifts.
    repeats_gift: whether a refund's notice tells the gift again. running_total: whether a refund
        states the sum of all so far.
    tests_us: whether it sends notices that are signed wrongly on purpose.
    appeals: whether people give to personal appeals there.
    rails: the companies on whose channels some of its gifts are paid, which tell of them as well.
    contested: whether payers dispute payments there.
    """

    share: int
    bulk: Way
    singly: tuple[Way, ...]
    grains: Mapping[str, int]
    whole_seconds: bool = True
    prefix: str = ""
    gives_back: bool = True
    refunded_permille: int = 20
    repeats_gift: bool = False
    running_total: bool = False
    tests_us: bool = False
    appeals: bool = False
    rails: tuple[str, ...] = ()
    contested: bool = False

    @property
    def is_native(self) -> bool:
        """Whether every report is a notice of its own."""
        return self.bulk is Way.NOTICE


_NOTICES = (Way.NOTICE,)
_CNY_FEN = {"CNY": FEN}
# Partners that share orders' prices also give parts of a fen.
_CNY_PARTS = {"CNY": 10}

MANNERS: Mapping[str, Manner] = {
    "alipay": Manner(0, Way.NOTICE, _NOTICES, _CNY_FEN, repeats_gift=True, running_total=True),
    "tencent": Manner(0, Way.NOTICE, _NOTICES, _CNY_FEN, tests_us=True),
    "bytedance": Manner(
        0, Way.NOTICE, _NOTICES, _CNY_FEN, refunded_permille=60, rails=("alipay", "tencent")
    ),
    "xiaomi": Manner(0, Way.NOTICE, _NOTICES, _CNY_FEN, gives_back=False),
    "weibo": Manner(3, Way.STREAM, (Way.CALL, Way.NOTICE), _CNY_PARTS, whole_seconds=False),
    "qingsongchou": Manner(
        2, Way.STREAM, (Way.CALL, Way.NOTICE), _CNY_PARTS, whole_seconds=False, appeals=True
    ),
    # Stripe's smallest unit of a currency: cents, and whole yen.
    "stripe": Manner(
        0,
        Way.NOTICE,
        _NOTICES,
        {"USD": FEN, "EUR": FEN, "JPY": 100 * FEN},
        prefix="pi_",
        running_total=True,
        contested=True,
    ),
}

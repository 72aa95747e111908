"""Who speaks which tongue: the one table of the simulator's platforms."""

from services.cli.simulator.alipay import Alipay
from services.cli.simulator.bytedance import Bytedance
from services.cli.simulator.keys import PlatformKeys
from services.cli.simulator.notice import Platform
from services.cli.simulator.signed_json import SignedJson
from services.cli.simulator.stripe import Stripe
from services.cli.simulator.tencent import Tencent
from services.cli.simulator.xiaomi import Xiaomi


def platform_of(partner: str, keys: PlatformKeys) -> Platform:
    """A partner's own form of notices; signed JSON for those that have none."""
    match partner:
        case "alipay":
            return Alipay(keys.alipay, keys.forger)
        case "tencent":
            return Tencent(keys.tencent, keys.forger)
        case "bytedance":
            return Bytedance(keys.bytedance)
        case "xiaomi":
            return Xiaomi(keys.xiaomi)
        case "stripe":
            return Stripe(keys.stripe)
        case _:
            return SignedJson(partner, keys.partners[partner])

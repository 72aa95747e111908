"""The currencies that an amount may be in."""

from services.runtime.errors import Fault, Reason

# ISO 4217, list one (active codes), without funds codes such as CLF or USN, and without the X codes
# that are no country's or union's money (metals, bond units, SDR, testing, none). The X codes that
# are left are the money of the East Caribbean, of Central and West Africa, of the French Pacific,
# and of Curaçao and Sint Maarten.
CURRENCIES: frozenset[str] = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
    MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905  twenty lines of quotes would hide a wrong code
)


def require_currency(code: str) -> str:
    """Returns code if it is a currency in use.

    Raises Fault(CURRENCY_UNKNOWN) otherwise, lower case included.
    """
    if code not in CURRENCIES:
        raise Fault(
            Reason.CURRENCY_UNKNOWN,
            f"{code[:8]!r} is no ISO 4217 code of a currency in use; send three capitals like CNY",
        )
    return code

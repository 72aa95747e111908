"""The currencies that an amount may be in, and how an amount is written."""

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

MICROS_PER_UNIT = 1_000_000

# ISO 4217's minor units where they are not two. Volunteers' time (MIN) is kept in whole minutes.
_PLACES = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"], 0),
    **dict.fromkeys(["PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF", "MIN"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
_PLACES_OF_MOST = 2


def places_of(unit: str) -> int:
    """How many decimals a currency has by ISO 4217; two for one that the standard does not list."""
    return _PLACES.get(unit, _PLACES_OF_MOST)


def decimal(micros: int, unit: str) -> str:
    """Micros of a unit as an exact decimal for programs.

    It has as many places as the unit, and those beyond that it needs, up to six: 1234500000 is
    "1234.50" in CNY and "1234.5" in JPY, which has no minor unit; 1000000 of JPY are "1".
    """
    whole, part = divmod(abs(micros), MICROS_PER_UNIT)
    places = f"{part:06}".rstrip("0").ljust(places_of(unit), "0")
    return f"{'-' if micros < 0 else ''}{whole}{'.' if places else ''}{places}"


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

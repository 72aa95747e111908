"""What the page says by itself agrees with the services."""

import re
from importlib.resources import files

from services.runtime.currency import CURRENCIES, places_of


def test_the_page_shows_each_currency_with_as_many_decimals_as_the_commands() -> None:
    script = (files("services.gateway") / "web" / "page.js").read_text("utf-8")
    table = re.search(r"const PLACES = \{(.*?)\};", script, re.DOTALL)
    assert table is not None
    places = {code: int(number) for code, number in re.findall(r"(\w{3}): (\d)", table[1])}
    assert places == {code: places_of(code) for code in CURRENCIES if places_of(code) != 2}

"""The unified social credit code of Chinese organisations, GB 32100-2015."""

# The standard's alphabet: digits and capitals without I, O, S, V and Z.
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 18
# Weight i is 3 to the power of i, modulo 31.
_WEIGHTS = tuple(pow(3, i, 31) for i in range(_LENGTH - 1))


def is_credit_code(code: str) -> bool:
    """Whether code has 18 characters of the standard's alphabet and the right check digit."""
    if len(code) != _LENGTH or any(character not in _VALUES for character in code):
        return False
    weighted = sum(
        _VALUES[character] * weight for character, weight in zip(code, _WEIGHTS, strict=False)
    )
    return _VALUES[code[-1]] == -weighted % 31

"""A rate as a bucket of tokens that fills up by itself."""

# What floating point may make of a sum of fractions of tokens; far below one.
_ROUNDING = 1e-6


class TokenBucket:
    """`rate` tokens a second, and at most `burst` of them saved up. It begins full.

    Times are seconds of any clock that never goes back. For one thread alone.
    """

    __slots__ = ("_burst", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """rate, burst: above 0."""
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._then = now

    def wait_s(self, tokens: float, now: float) -> float:
        """Seconds until it holds so many tokens; 0 if it does.

        More than a burst never comes together: for that, a full bucket is enough.
        """
        if now != self._then:
            self._fill(now)
        if tokens <= self._tokens:
            return 0.0
        missing = min(tokens, self._burst) - self._tokens
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, tokens: float, now: float) -> None:
        """Takes tokens out. It may come to owe some, and is empty until they are earned."""
        if now != self._then:
            self._fill(now)
        self._tokens -= tokens

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
        self._then = now

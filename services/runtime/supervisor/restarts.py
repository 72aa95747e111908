"""How often a part of the mesh may be restarted, and how soon."""

from collections import deque
from dataclasses import dataclass, field


@dataclass
class RestartBudget:
    """At most restarts_max restarts within window_s seconds, each later than the one before.

    What ends more often than that has a cause that another restart does not cure.
    """

    restarts_max: int = 5
    window_s: float = 60.0
    first_delay_s: float = 0.2
    delay_max_s: float = 5.0
    _restarts: deque[float] = field(default_factory=deque, init=False, repr=False)

    def spend(self, now: float) -> float | None:
        """Takes one restart at the time `now`, in seconds of a clock that only goes forward.

        Returns how many seconds to wait before it; None if the budget is exceeded.
        """
        while self._restarts and self._restarts[0] <= now - self.window_s:
            self._restarts.popleft()
        if len(self._restarts) >= self.restarts_max:
            return None
        delay = min(self.first_delay_s * float(2 ** len(self._restarts)), self.delay_max_s)
        self._restarts.append(now)
        return delay

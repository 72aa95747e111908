"""The restart budget."""

from services.runtime.supervisor.restarts import RestartBudget


def test_each_restart_waits_longer_up_to_a_limit() -> None:
    budget = RestartBudget(restarts_max=4, window_s=60, first_delay_s=1.0, delay_max_s=3.0)
    assert [budget.spend(float(t)) for t in range(4)] == [1.0, 2.0, 3.0, 3.0]


def test_what_ends_too_often_is_not_restarted() -> None:
    budget = RestartBudget(restarts_max=2, window_s=60)
    assert budget.spend(0.0) is not None
    assert budget.spend(1.0) is not None
    assert budget.spend(59.0) is None


def test_old_restarts_are_forgiven() -> None:
    budget = RestartBudget(restarts_max=1, window_s=60, first_delay_s=0.2)
    assert budget.spend(0.0) == 0.2
    assert budget.spend(60.0) == 0.2

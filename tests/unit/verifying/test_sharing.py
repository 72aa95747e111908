"""Work is shared between processes, however they begin; what is lost of it is told."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from services.cli.verifying import sharing
from services.cli.verifying.sharing import Beside, share


def both(number: int) -> tuple[int, int]:
    return number, os.getpid()


def end_this_process(parent: int) -> None:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processors", [1, 3])
def test_results_are_in_the_order_of_the_jobs(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    told: list[tuple[int, int]] = []
    results = share([partial(both, n) for n in range(7)], lambda *of: told.append(of))
    assert [number for number, _ in results] == list(range(7))
    assert len({process for _, process in results}) <= processors
    # Told are those that begin here; the others may have taken all before.
    assert all(begun < of == 7 for begun, of in told)
    assert len(told) == 7 or processors > 1
    assert share([], lambda *of: None) == []


def test_a_process_that_ends_early_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(sharing, "_taken", lambda _next, count: range(count))  # both take all
    with pytest.raises(ChildProcessError, match="verify again"):
        share([partial(end_this_process, os.getpid())] * 2, lambda *of: None)


@pytest.mark.parametrize("alone", [False, True])
def test_a_job_beside_is_done_wherever_it_can_be(alone: bool) -> None:
    assert Beside(partial(both, 3)).result()[0] == 3
    code = (
        "import os, sys, threading\n"
        "from services.cli.verifying.sharing import Beside, is_alone, share\n"
        "if len(sys.argv) > 1:\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print(is_alone(), Beside(os.getpid).result() == os.getpid())\n"
        "print(share([int] * 5, lambda *of: None))\n"
    )
    command = [sys.executable, "-c", code, *([] if alone else ["thread"])]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"{alone} {not alone}\n[0, 0, 0, 0, 0]\n"

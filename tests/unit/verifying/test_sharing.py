"""Work is shared between processes, however they begin; what is lost of it is told."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from services.cli.verifying import sharing, spawning
from services.cli.verifying.sharing import Beside, share
from services.cli.verifying.spawning import share_with_new


def both(number: int) -> tuple[int, int]:
    return number, os.getpid()


def end_this_process(parent: int) -> None:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processors", [1, 3])
def test_results_are_in_the_order_of_the_jobs(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "processors", lambda: processors)
    told: list[tuple[int, int]] = []
    results = share_with_new([partial(both, n) for n in range(7)], lambda *of: told.append(of))
    assert [number for number, _ in results] == list(range(7))
    assert len({process for _, process in results}) <= processors
    # Told are those that begin here; the others may have taken all before.
    assert all(begun < of == 7 for begun, of in told)
    assert len(told) == 7 or processors > 1
    assert share_with_new([], lambda *of: None) == []


def test_a_new_process_that_ends_early_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "processors", lambda: 2)
    monkeypatch.setattr(spawning, "_taken", lambda _next, count: range(count))  # both take all
    with pytest.raises(ChildProcessError, match="verify again"):
        share_with_new([partial(end_this_process, os.getpid())] * 2, lambda *of: None)


def test_who_is_not_alone_shares_with_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "is_alone", lambda: False)
    monkeypatch.setattr(spawning, "processors", lambda: 1)
    with Beside(partial(both, 3)) as beside:
        assert beside.result() == (3, os.getpid())
    assert share([partial(both, n) for n in range(2)], lambda *of: None) == [
        (0, os.getpid()),
        (1, os.getpid()),
    ]


def alone(code: str) -> str:
    """What a process prints that has one thread, and processors for three."""
    begin = (
        "import os, signal, sys, time\n"
        "from services.cli.verifying import sharing\n"
        "from services.cli.verifying.sharing import Beside, share\n"
        "assert sharing.is_alone()\n"
        "sharing.processors = lambda: 3\n"
    )
    command = [sys.executable, "-c", begin + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_copies_do_jobs_that_cannot_be_sent() -> None:
    code = (
        "jobs = [lambda n=n: (n, os.getpid()) for n in range(40)]\n"
        "told = []\n"
        "done = share(jobs, lambda *of: told.append(of))\n"
        "assert [n for n, _ in done] == list(range(40))\n"
        "assert [begun for begun, _ in told] == [n for n, who in done if who == os.getpid()]\n"
        "sharing._NUMBERS_MAX = 7\n"
        "assert [n for n, _ in share(jobs, lambda *of: None)] == list(range(40))\n"
        "assert share([], lambda *of: None) == []\n"
        "with Beside(os.getpid) as beside:\n"
        "    assert beside.result() != os.getpid()\n"
        "print(len(os.listdir('/proc/self/fd')))\n"
    )
    assert alone(code) == "4\n"


def test_a_copy_that_ends_early_is_told() -> None:
    code = (
        "me = os.getpid()\n"
        "def end():\n"
        "    if os.getpid() == me:\n"
        "        time.sleep(0.01)\n"
        "    else:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "for work in (lambda: share([end] * 100, lambda *of: None), Beside(end).result):\n"
        "    try:\n"
        "        work()\n"
        "    except ChildProcessError as error:\n"
        "        print(error)\n"
    )
    assert alone(code) == f"{sharing.LOST}\n" * 2


def test_what_a_job_raises_in_a_copy_is_told_and_does_not_go_on_there() -> None:
    code = (
        "def fail():\n"
        "    raise ValueError('of the job')\n"
        "try:\n"
        "    with Beside(fail) as beside:\n"
        "        beside.result()\n"
        "except ChildProcessError as error:\n"
        "    print(error, flush=True)\n"
    )
    told = alone(code)
    assert told.startswith(f"{sharing.LOST}\n")
    assert told.endswith("ValueError: of the job\n")


def test_no_copy_outlives_who_asked_for_it() -> None:
    code = (
        "with Beside(lambda: time.sleep(60)) as beside:\n"
        "    copy = beside._copy._process\n"
        "try:\n"
        "    os.kill(copy, 0)\n"
        "except ProcessLookupError:\n"
        "    print('gone')\n"
        "me = os.getpid()\n"
        "def fail():\n"
        "    if os.getpid() == me:\n"
        "        raise ValueError('here')\n"
        "    time.sleep(60)\n"
        "try:\n"
        "    share([fail] * 9, lambda *of: None)\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    assert alone(code) == "gone\nhere\n"


def test_an_error_of_the_system_is_told_as_it_is() -> None:
    code = (
        "def fail():\n"
        "    if os.getpid() == me:\n"
        "        time.sleep(0.01)\n"
        "    else:\n"
        "        open('/none/there')\n"
        "me = os.getpid()\n"
        "for work in (lambda: share([fail] * 100, lambda *of: None), Beside(fail).result):\n"
        "    try:\n"
        "        work()\n"
        "    except FileNotFoundError as error:\n"
        "        print(error)\n"
    )
    assert alone(code) == "[Errno 2] No such file or directory: '/none/there'\n" * 2


def test_ctrl_c_ends_all_at_once_and_is_told_once() -> None:
    """The signal comes to all of them; here while the original works, then while it waits."""
    code = (
        "import select\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "me = os.getpid()\n"
        "goes_on, says = os.pipe()\n"
        "def job():\n"
        "    if os.getpid() == me:\n"
        "        select.select([goes_on], [], [], 5)\n"
        "        os.kill(me, signal.SIGINT)\n"
        "    else:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.write(says, b'.')\n"
        "    time.sleep(60)\n"
        "def interrupt():\n"
        "    os.kill(me, signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "def waiting():\n"
        "    with Beside(interrupt) as beside:\n"
        "        beside.result()\n"
        "signal.alarm(30)\n"
        "for work in (lambda: share([job] * 9, lambda *of: None), waiting):\n"
        "    try:\n"
        "        work()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
        "try:\n"
        "    os.waitpid(-1, 0)\n"
        "except ChildProcessError:\n"
        "    print('none is left')\n"
    )
    assert alone(code) == "interrupted\ninterrupted\nnone is left\n"


def test_copies_of_one_that_was_killed_take_nothing_more() -> None:
    code = (
        "me = os.getpid()\n"
        "begun, begins = os.pipe()\n"
        "def job(number):\n"
        "    if os.getpid() == me:\n"
        "        os.read(begun, 1)\n"
        "        os.kill(me, signal.SIGKILL)\n"
        "    os.write(1, b'taken\\n')\n"
        "    os.write(begins, b'.')\n"
        "    while os.getppid() == me:\n"
        "        time.sleep(0.01)\n"
        "sharing.processors = lambda: 2\n"
        "share([lambda n=n: job(n) for n in range(9)], lambda *of: None)\n"
    )
    assert alone(code) == "taken\n"


def test_where_no_copy_can_begin_all_is_done_here() -> None:
    code = (
        "fork, may = os.fork, [True]\n"
        "def refuse():\n"
        "    if not may:\n"
        "        raise BlockingIOError('no more processes')\n"
        "    may.pop()\n"
        "    return fork()\n"
        "os.fork = refuse\n"
        "for _ in range(2):\n"
        "    assert share([lambda n=n: n for n in range(40)], lambda *of: None) == [*range(40)]\n"
        "with Beside(os.getpid) as beside:\n"
        "    assert beside.result() == os.getpid()\n"
        "print(len(os.listdir('/proc/self/fd')))\n"
    )
    assert alone(code) == "4\n"


def test_who_has_the_system_forget_its_processes_shares_too() -> None:
    code = (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "assert share([lambda n=n: n for n in range(40)], lambda *of: None) == [*range(40)]\n"
        "with Beside(os.getpid) as beside:\n"
        "    assert beside.result() != os.getpid()\n"
        "with Beside(os.getpid):\n"
        "    time.sleep(0.1)\n"
        "print('done')\n"
    )
    assert alone(code) == "done\n"


def test_the_smallest_pipe_holds_the_numbers() -> None:
    code = (
        "import fcntl\n"
        "pipe = os.pipe\n"
        "def small():\n"
        "    reading, writing = pipe()\n"
        "    assert fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096) == 4096\n"
        "    return reading, writing\n"
        "os.pipe = small\n"
        "signal.alarm(20)\n"
        "assert share([lambda n=n: n for n in range(900)], lambda *of: None) == [*range(900)]\n"
        "print('done')\n"
    )
    assert alone(code) == "done\n"

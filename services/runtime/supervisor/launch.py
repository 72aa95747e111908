"""Becomes a command that dies with its parent. A script, run by path, never imported.

    python -I -S launch.py SIGNAL PARENT_PID COMMAND [ARGUMENT…]

The kernel sends SIGNAL to the command when the thread that started it ends, however it ends
(PR_SET_PDEATHSIG). That cannot be set from outside a process, and running Python code between fork
and exec is unsafe in a parent with threads, as everyone is who uses gRPC; hence this short stop on
the way. The command keeps this process's id.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1

death_signal, parent = int(sys.argv[1]), int(sys.argv[2])
if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
    error = ctypes.get_errno()
    sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
if os.getppid() != parent:
    sys.exit("the supervisor ended before its child began")
try:
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is what is wanted
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error.strerror}")

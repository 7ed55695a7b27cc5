"""Makes the kernel tell a process what it tells it when the system's clock is set:
the timer that it asked to be cancelled then becomes readable (TFD_IOC_SET_TICKS, made
for checkpoints). The clock itself stays as it is. Usage: clock_was_set.py PID"""

import ctypes
import fcntl
import os
import struct
import sys

PIDFD_GETFD = 438
TFD_IOC_SET_TICKS = 0x40085400

pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for name in os.listdir(f"/proc/{pid}/fdinfo"):
    try:
        about = open(f"/proc/{pid}/fdinfo/{name}").read()
    except OSError:
        continue
    # CLOCK_REALTIME; TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET.
    if "clockid: 0\n" in about and "settime flags: 03\n" in about:
        timer = libc.syscall(PIDFD_GETFD, os.pidfd_open(pid), int(name), 0)
        if timer < 0:
            sys.exit(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
        try:
            fcntl.ioctl(timer, TFD_IOC_SET_TICKS, struct.pack("Q", 1))
        except OSError as error:
            sys.exit(f"TFD_IOC_SET_TICKS: {error}")
        print("told")
        sys.exit(0)
print("no timer")

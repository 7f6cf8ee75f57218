"""Runs a module as a program that ends when the one that started it does, however that ended, ``kill -9`` included.

    python -I watched.py pip install ...

The starter holds the other end of standard input and never writes to it: when it is gone, the read comes back.
Started by path, not as a part of the package: it runs in .venv's Python, which knows nothing of launch.py.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading


def end() -> None:
    """This process and all that it has started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(os.getpid())], stdout=subprocess.DEVNULL, check=False)
    elif os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def watch() -> None:
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # programs that this one starts must not wait for what is read here
    os.close(null)

    def wait() -> None:
        while os.read(pipe, 1):
            """Nothing is ever sent."""
        end()

    threading.Thread(target=wait, name="watch", daemon=True).start()


if __name__ == "__main__":
    watch()
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

"""Runs any PyTorch trainer unchanged and writes down when each of its optimizer steps was done.

    PYTHON stamped.py LOG STEPS SCRIPT.py ARGUMENTS …

PYTHON is the trainer's own, which needs PyTorch and nothing else of ours. A line of LOG for each step: the time, the
process's own seconds of processor, its peak resident memory so far in kB (0 where the system does not tell). After
STEPS steps the process ends at once: what a trainer does at its end is not measured.
"""

import importlib.metadata
import os
import runpy
import sys
import time

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


def peak() -> int:
    """Peak resident memory in kB."""
    try:
        with open("/proc/self/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def let_torchvision_in() -> None:
    """PyPI's torchvision has no operators for PyTorch's CPU builds on Linux, and won't be imported without these."""
    try:
        version = importlib.metadata.version("torchvision")
    except importlib.metadata.PackageNotFoundError:
        return
    if sys.platform == "linux" and "+cpu" in torch.__version__ and "+" not in version:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")


def main() -> None:
    path, steps, script = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    log, done = open(path, "w", buffering=1), [0]  # noqa: SIM115 - as long as the process

    def stamp(*_: object) -> None:
        log.write(f"{time.time():.4f} {time.process_time():.4f} {peak()}\n")
        done[0] += 1
        if done[0] == steps:
            log.close()
            os._exit(0)

    register_optimizer_step_post_hook(stamp)
    let_torchvision_in()
    sys.argv = sys.argv[3:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()

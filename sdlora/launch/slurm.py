"""Slurm: a batch script. The run folder lies on the disk that its machines share."""

import shlex
from pathlib import Path

from sdlora.launch.engine import Engine
from sdlora.launch.job import PORT, TIME, RemoteJob, checked, torchrun

_LEFT = 300  # seconds before the time limit at which the run is asked to stop, with all saved
_HEAD = '"$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"'


def _text(job: RemoteJob, environment: Path) -> str:
    """job.sbatch. environment: the Python environment on the shared disk that sdlora is installed in."""
    asked = {"partition": job.options.get("partition"), "account": job.options.get("account")}
    directives = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": job.gpus or None,
        "cpus-per-task": 4 * job.processes,
        "time": checked("--time", job.time, TIME),
        "output": f"{job.name}-%j.txt",
        "open-mode": "append",
        "signal": f"TERM@{_LEFT}",
        **{name: checked(f"--{name}", value) for name, value in asked.items() if value},
    }
    lines = [f"#SBATCH --{name}={value}" for name, value in directives.items() if value is not None]
    several = f'--rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint {_HEAD}:{PORT}'
    return "\n".join(
        [
            "#!/bin/bash",
            *lines,
            "#SBATCH --requeue",
            "",
            "# Stopped before the time limit it has saved all: submit it again, and it goes on.",
            "set -euo pipefail",
            f'export PATH={shlex.quote(str(environment))}:"$PATH"',
            f"srun {torchrun(job, several)}",
            "",
        ]
    )


SLURM = Engine("job.sbatch", _text, ("sbatch",), shared_disk=True)

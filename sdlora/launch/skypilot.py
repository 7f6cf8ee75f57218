"""SkyPilot: a task. Images and models are copied to the machines, the runs lie in a bucket that is mounted."""

import re
from pathlib import Path

from sdlora.errors import UserError
from sdlora.launch.engine import Engine
from sdlora.launch.job import PLACE, PORT, RUNS, RemoteJob, checked, placed, torchrun
from sdlora.launch.yamltext import as_yaml
from sdlora.messages import say

_HEAD = '"$(echo "$SKYPILOT_NODE_IPS" | head -n 1)"'
_BUCKET = re.compile(
    r"(s3|gs|r2|cos|nebius|oci)://[\w./-]{1,200}|https://[\w-]+\.blob\.core\.windows\.net/[\w./-]{1,200}"
)


def _text(job: RemoteJob, environment: Path) -> str:
    """sky.yaml."""
    bucket = job.options.get("bucket", "")
    if not bucket:
        raise UserError(say("launching.needs_bucket"), fix=say("launching.name_bucket"))
    gpu = checked("--gpu", job.options.get("gpu") or "L4")
    several = f'--node_rank "$SKYPILOT_NODE_RANK" --master_port {PORT} --master_addr {_HEAD}'
    task = {
        "name": job.name,
        "num_nodes": job.nodes,
        "resources": {"accelerators": f"{gpu}:{job.gpus}"} if job.gpus else {"cpus": "4+"},
        "file_mounts": {
            **job.moved,
            f"{PLACE}/job": str(job.run.resolve()),
            RUNS: {"source": checked("--bucket", bucket, _BUCKET), "mode": "MOUNT"},
        },
        "setup": job.install + "\n",
        "run": "set -euo pipefail\n" + placed(job, f"{PLACE}/job") + "\n" + torchrun(job, several) + "\n",
    }
    return as_yaml(task)


SKYPILOT = Engine("sky.yaml", _text, ("sky", "jobs", "launch"))

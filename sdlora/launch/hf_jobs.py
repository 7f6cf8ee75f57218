"""Hugging Face Jobs: a script with the one call of ``hf jobs run``. The runs lie in a bucket of the hub."""

import re
import shlex
from pathlib import Path

from sdlora.errors import UserError
from sdlora.launch.engine import Engine
from sdlora.launch.job import PLACE, RUNS, RemoteJob, checked, placed, torchrun
from sdlora.messages import say

_BUCKET = re.compile(r"hf://buckets/[\w.-]{1,96}/[\w.-]{1,96}")


def _text(job: RemoteJob, environment: Path) -> str:
    """hf-jobs.sh. One machine only: that is what Jobs offers."""
    if job.nodes != 1:
        raise UserError(say("launching.one_node", engine="hf-jobs"))
    bucket = job.options.get("bucket", "")
    if not bucket:
        raise UserError(say("launching.needs_bucket"), fix=say("launching.name_hub_bucket"))
    volumes = {f"{PLACE}/job": str(job.run.resolve()), **job.moved}
    script = f"set -euo pipefail\n{job.install}\n{placed(job, f'{PLACE}/job')}\n{torchrun(job, '')}\n"
    command = ["hf", "jobs", "run", "--detach", "--secrets", "HF_TOKEN"]
    command += ["--flavor", checked("--flavor", job.options.get("flavor") or "a10g-small")]
    command += ["--timeout", _seconds(job.time)]
    for there, here in volumes.items():
        command += ["--volume", f"{_no_colon(here)}:{there}:ro"]
    command += ["--volume", f"{checked('--bucket', bucket, _BUCKET)}:{RUNS}:rw"]
    command += [checked("--image", job.options["image"]), "bash", "-c", script]
    return "#!/bin/bash\nset -euo pipefail\n" + shlex.join(command) + "\n"


def _no_colon(path: str) -> str:
    """A folder as the volumes take it, whose parts are parted by colons."""
    if ":" in path:
        raise UserError(say("launching.colon_in_path", path=path))
    return path


def _seconds(time: str) -> str:
    """ "H:MM:SS" or "D-H:MM:SS" as hf's "90000s"."""
    days, _, clock = time.rpartition("-")
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return f"{int(days or 0) * 86400 + hours * 3600 + minutes * 60 + sum(seconds)}s"


HF_JOBS = Engine("hf-jobs.sh", _text, ("bash",))

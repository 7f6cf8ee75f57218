"""What is to be run elsewhere, and what all engines share: names, numbers, the shell script of the training."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from sdlora.errors import UserError
from sdlora.messages import say

PLACE = "/sdlora"  # on the other machine: what is copied there, and the runs
RUNS = f"{PLACE}/runs"
PORT = 29500
LABEL = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")  # what Kubernetes takes as a label's value
WORD = re.compile(r"[\w.,:@+/-]{1,200}", re.ASCII)  # partitions, accounts, GPUs, images: nothing that a shell reads
TIME = re.compile(r"(\d{1,3}-)?\d{1,3}(:\d\d){1,2}")


@dataclass(frozen=True)
class RemoteJob:
    """One training on other machines.

    run: the run folder here, with its settings. remote: the same as the job sees it. moved: path there -> path here, of
    images and models that the settings name. nodes, gpus: machines, and GPUs of each; 0 for none. time: "H:MM:SS".
    options: what one engine alone asks for, by name.
    """

    run: Path
    remote: str
    moved: dict[str, str]
    nodes: int
    gpus: int
    time: str
    install: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name as a DNS label, as all engines take it: a letter first, at most 50 characters."""
        text = re.sub(r"[^a-z0-9]+", "-", self.run.name.lower()).strip("-")
        return f"sdlora-{text}"[:50].strip("-")

    @property
    def processes(self) -> int:
        """Processes of one machine: one for each GPU, one without."""
        return max(1, self.gpus)


def checked(name: str, value: str, pattern: re.Pattern = WORD) -> str:
    """The value of an option for a file of an engine; UserError if it has what does not belong there."""
    if not pattern.fullmatch(value):
        raise UserError(say("launching.odd_value", name=name, value=repr(value)))
    return value


def torchrun(job: RemoteJob, several: str) -> str:
    """The command line of the training, which goes on where it stopped. several: torchrun's arguments if nodes > 1."""
    where = "--standalone" if job.nodes == 1 else f"--nnodes {job.nodes} {several}"
    run = shlex.quote(job.remote)
    return f"torchrun {where} --nproc_per_node {job.processes} -m sdlora train --resume {run}"


def placed(job: RemoteJob, source: str) -> str:
    """Shell lines that put the run folder on the disk that lasts, once: a later start finds it and goes on.

    By a rename, so that of several machines none sees half of it.
    """
    run, source = shlex.quote(job.remote), shlex.quote(source)
    return (
        f"mkdir -p {run}\n"
        f"if [ ! -e {run}/settings.toml ]; then\n"
        f'  cp {source}/settings.toml {run}/.settings."$$".tmp\n'
        f'  mv {run}/.settings."$$".tmp {run}/settings.toml\n'
        "fi"
    )

"""Kubernetes: a TrainJob of Kubeflow's Trainer (v2), with Kueue's label where a queue is named."""

from pathlib import Path

from sdlora.errors import UserError
from sdlora.launch.engine import Engine
from sdlora.launch.job import LABEL, PLACE, RemoteJob, checked, placed, torchrun
from sdlora.launch.yamltext import as_yaml
from sdlora.messages import say

_QUEUE = "kueue.x-k8s.io/queue-name"


def _text(job: RemoteJob, environment: Path) -> str:
    """trainjob.yaml. The Trainer sets PET_MASTER_ADDR and its like, which torchrun reads by itself."""
    claim = job.options.get("claim", "")
    if not claim:
        raise UserError(say("launching.needs_claim"), fix=say("launching.name_claim"))
    queue = job.options.get("queue", "")
    script = f"set -euo pipefail\n{job.install}\n{placed(job, f'{PLACE}/job')}\n{torchrun(job, '')}\n"
    mount = {"name": "sdlora", "mountPath": PLACE}
    volume = {"name": "sdlora", "persistentVolumeClaim": {"claimName": checked("--claim", claim, LABEL)}}
    pod = {"volumes": [volume], "containers": [{"name": "node", "volumeMounts": [mount]}]}
    node = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    patch = {"manager": "sdlora", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [node]}}}}
    labels = {"labels": {_QUEUE: checked("--queue", queue, LABEL)}} if queue else {}
    manifest = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": job.name, **labels},
        "spec": {
            "runtimeRef": {"name": checked("--runtime", job.options.get("runtime") or "torch-distributed", LABEL)},
            "trainer": {
                "image": checked("--image", job.options["image"]),
                "numNodes": job.nodes,
                "numProcPerNode": job.processes,
                "command": ["bash", "-c", script],
                **({"resourcesPerNode": {"limits": {"nvidia.com/gpu": str(job.gpus)}}} if job.gpus else {}),
            },
            "runtimePatches": [patch],
        },
    }
    copies = [f"#   {here} -> {there}" for there, here in {f"{PLACE}/job": str(job.run.resolve()), **job.moved}.items()]
    head = ["# Before: copy into the claim, which the job mounts at " + PLACE + ":", *copies]
    return "\n".join(" ".join(line.splitlines()) for line in head) + "\n" + as_yaml(manifest)


KUBERNETES = Engine("trainjob.yaml", _text, ("kubectl", "create", "-f"))

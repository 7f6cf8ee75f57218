"""`sdlora launch`: each engine's file against what that engine publishes of its format, with hostile names in it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub.cli.hf import app
from said import says

from sdlora.errors import UserError
from sdlora.launch.job import PLACE, RUNS, RemoteJob, checked, placed
from sdlora.launch.table import ENGINES
from sdlora.launch.write import elsewhere, write_job
from sdlora.runs.run import Run
from sdlora.settings import Settings, make_settings

HOSTILE = 'x\'; touch hacked; $(touch hacked) `touch hacked` "q" #'

# SkyPilot's task schema (sky/utils/schemas.py, 0.14.1) and, of resources, what is used here.
SKY = {
    "name", "workdir", "event_callback", "num_nodes", "resources", "file_mounts", "service", "pool", "setup", "run",
    "envs", "secrets", "managed_secrets", "volumes", "volume_mounts", "inputs", "outputs", "config",
    "file_mounts_mapping", "api_server_access", "_metadata",
}  # fmt: skip
# TrainJob of trainer.kubeflow.org/v1alpha1 (pkg/apis/trainer/v1alpha1/trainjob_types.go).
TRAIN_JOB = {"runtimeRef", "initializer", "trainer", "runtimePatches", "suspend", "activeDeadlineSeconds", "managedBy"}
TRAINER = {"image", "command", "args", "env", "numNodes", "resourcesPerNode", "numProcPerNode"}
POD_PATCH = {
    "serviceAccountName", "volumes", "initContainers", "containers", "imagePullSecrets", "securityContext",
    "nodeSelector", "affinity", "tolerations", "schedulingGates",
}  # fmt: skip
# sbatch's long options that are used here (man sbatch).
SBATCH = {
    "job-name", "nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task", "time", "output", "open-mode", "signal",
    "requeue", "partition", "account",
}  # fmt: skip
NEEDED = {
    "slurm": {"partition": "gpu"},
    "skypilot": {"bucket": "s3://my-runs", "gpu": "A100-80GB"},
    "kubernetes": {"claim": "my-disk", "queue": "user-queue"},
    "hf-jobs": {"bucket": "hf://buckets/ann/runs", "flavor": "a10g-small"},
}


@pytest.fixture
def settings(tmp_path) -> Settings:
    pictures = tmp_path / "pictures of ann's cat"
    pictures.mkdir()
    base = tmp_path / "base model.safetensors"
    base.write_bytes(b"x")
    return make_settings(
        {
            "model": {"base": str(base)},
            "data": {"folder": str(pictures)},
            "run": {"name": HOSTILE, "folder": str(tmp_path / "the runs")},
        }
    )


def written(engine: str, settings: Settings, tmp_path: Path, nodes: int = 1, gpus: int = 2, **options) -> Path:
    return write_job(engine, settings, nodes, gpus, "1-02:00:00", {**NEEDED[engine], **options}, tmp_path / "out")[0]


def parses(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run_with_fakes(script: str, folder: Path, **environment: str) -> list[list[str]]:
    """Run a script with programs that only write down their arguments: the calls of torchrun, sbatch's srun, hf."""
    fakes = folder / "fakes"
    fakes.mkdir(exist_ok=True)
    log = folder / "calls.txt"
    for name in ("torchrun", "srun", "hf", "pip"):
        (fakes / name).write_text(
            f'#!/bin/bash\nprintf "%s\\0" {name} "$@" >> {shlex.quote(str(log))}; echo >> {log}\n'
        )
        (fakes / name).chmod(0o755)
    (fakes / "scontrol").write_text("#!/bin/bash\necho first\necho second\n")
    (fakes / "scontrol").chmod(0o755)
    path = f"{fakes}:{os.environ['PATH']}"
    script = re.sub(r"^export PATH=.*$", "", script, flags=re.M)
    done = subprocess.run(
        ["bash"], input=script, text=True, capture_output=True, cwd=folder, env={"PATH": path, **environment}
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "hacked").exists()
    return [line.rstrip("\0").split("\0") for line in log.read_text().split("\0\n") if line]


# ---- each engine


@pytest.mark.parametrize("nodes", [1, 2])
def test_slurm(settings, tmp_path, nodes):
    file = written("slurm", settings, tmp_path, nodes)
    script = file.read_text()
    parses(script)
    told = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.M))
    assert set(told) <= SBATCH and told["nodes"] == str(nodes) and told["gpus-per-node"] == "2"
    assert re.fullmatch(r"[a-z][a-z0-9-]*", told["job-name"]) and told["time"] == "1-02:00:00"
    assert script.index("#SBATCH") < script.index("set -euo")  # sbatch stops reading at the first command
    (call,) = run_with_fakes(script, tmp_path, SLURM_JOB_NODELIST="n[1-2]", SLURM_JOB_ID="7")
    assert call[-1] == str(file.parent.resolve()) and call[:2] == ["srun", "torchrun"]
    assert ("--standalone" in call) == (nodes == 1) and ("first:29500" in call) == (nodes == 2)
    assert Run.open(call[-1]).settings().data.folder == settings.data.folder


@pytest.mark.parametrize("nodes", [1, 2])
def test_skypilot(settings, tmp_path, nodes):
    task = yaml.safe_load(written("skypilot", settings, tmp_path, nodes).read_text())
    assert set(task) <= SKY and task["num_nodes"] == nodes and task["resources"] == {"accelerators": "A100-80GB:2"}
    assert task["file_mounts"][RUNS] == {"source": "s3://my-runs", "mode": "MOUNT"}
    for there, here in task["file_mounts"].items():
        assert there.startswith("/") and (isinstance(here, dict) or Path(here).exists())
    parses(task["run"])
    parses(task["setup"])
    assert remote_settings(task["file_mounts"]).data.folder in task["file_mounts"]


@pytest.mark.parametrize("nodes", [1, 2])
def test_kubernetes(settings, tmp_path, nodes):
    file = written("kubernetes", settings, tmp_path, nodes)
    job = yaml.safe_load(file.read_text())
    assert (job["apiVersion"], job["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"]) and len(job["metadata"]["name"]) <= 63
    assert job["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "user-queue"}
    spec = job["spec"]
    assert set(spec) <= TRAIN_JOB and set(spec["trainer"]) <= TRAINER and spec["trainer"]["numNodes"] == nodes
    assert spec["trainer"]["resourcesPerNode"] == {"limits": {"nvidia.com/gpu": "2"}}
    (patch,) = spec["runtimePatches"]
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = node["template"]["spec"]["template"]["spec"]
    assert set(pod) <= POD_PATCH and pod["volumes"][0]["name"] == pod["containers"][0]["volumeMounts"][0]["name"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "my-disk"}
    assert spec["trainer"]["command"][:2] == ["bash", "-c"]
    parses(spec["trainer"]["command"][2])


def test_hf_jobs(settings, tmp_path):
    script = written("hf-jobs", settings, tmp_path).read_text()
    parses(script)
    (call,) = run_with_fakes(script, tmp_path)
    context = app.make_context("hf", ["jobs"], resilient_parsing=True)
    command = app.get_command(context, "jobs").get_command(context, "run")  # the hub's own parser
    read = command.make_context("run", call[3:]).params
    assert call[:3] == ["hf", "jobs", "run"] and read["flavor"] == "a10g-small" and read["timeout"] == "93600s"
    assert read["image"] == "python:3.12" and list(read["command"][:2]) == ["bash", "-c"]
    assert f"hf://buckets/ann/runs:{RUNS}:rw" in read["volume"]
    parses(read["command"][2])
    with pytest.raises(UserError) as told:
        written("hf-jobs", settings, tmp_path, nodes=2)
    assert says(told.value, "launching.one_node")


def remote_settings(mounts: dict) -> Settings:
    return Run.open(mounts[f"{PLACE}/job"]).settings()


# ---- what all share


def test_what_the_settings_name_is_named_as_it_lies_there(settings):
    there, moved = elsewhere(settings)
    assert set(moved.values()) == {settings.data.folder, settings.model.base}
    assert moved[there.data.folder] == settings.data.folder and moved[there.model.base] == settings.model.base
    assert there.model.base.endswith(".safetensors") and there.run.folder == RUNS
    on_the_hub = make_settings({"model": {"base": "org/model"}})
    assert elsewhere(on_the_hub)[0].model.base == "org/model"


def test_the_run_is_placed_once_and_stays(tmp_path):
    """The script lines themselves, run twice: what a training has left is not written over."""
    source, run = tmp_path / "job", tmp_path / HOSTILE
    source.mkdir()
    (source / "settings.toml").write_text("first")
    job = RemoteJob(source, str(run), {}, 1, 0, "1:00", "")
    for text in ("first", "second"):
        (source / "settings.toml").write_text(text)
        subprocess.run(["bash", "-euc", placed(job, str(source))], check=True, cwd=tmp_path)
        assert (run / "settings.toml").read_text() == "first"
    assert [path.name for path in run.iterdir()] == ["settings.toml"] and not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_option_that_could_be_code_is_refused_before_anything_is_made(engine, settings, tmp_path):
    option = {"slurm": "partition", "skypilot": "gpu", "kubernetes": "claim", "hf-jobs": "flavor"}[engine]
    for value in (HOSTILE, "a\n#SBATCH --x", "a b", "$(x)"):
        with pytest.raises(UserError):
            written(engine, settings, tmp_path, **{option: value})
    assert not (tmp_path / "out").exists() and not (tmp_path / "the runs").exists()
    assert checked("--x", "nvcr.io/nvidia/pytorch:25.04-py3")


@pytest.mark.parametrize("engine, option", [("skypilot", "bucket"), ("kubernetes", "claim"), ("hf-jobs", "bucket")])
def test_a_place_for_the_runs_is_asked_for(engine, option, settings, tmp_path):
    with pytest.raises(UserError):
        written(engine, settings, tmp_path, **{option: ""})


@pytest.mark.slow
def test_a_batch_script_trains(tmp_path, run_cli):
    """Slurm's script with srun as a program that runs what it is given: to the end, and again without harm."""
    pictures = Path(__file__).parents[2] / "datasets_example" / "style"
    copied = tmp_path / "pictures"
    copied.mkdir()
    for path in sorted(path for path in pictures.glob("*") if path.is_file())[:4]:
        shutil.copy2(path, copied)
    told = run_cli("launch", "--on", "slurm", "--gpus", "0", "--data.folder", str(copied), "--model.base", "tiny",
                   "--train.steps", "1", "--sample.every", "0", "--run.folder", str(tmp_path / "runs"))  # fmt: skip
    (script,) = (tmp_path / "runs").glob("*/job.sbatch")
    assert shlex.quote(str(script)) in told and not list(script.parent.glob("*.safetensors"))
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    (fakes / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    (fakes / "srun").chmod(0o755)
    (fakes / "torchrun").write_text(f'#!/bin/bash\nexec {shlex.quote(sys.executable)} -m torch.distributed.run "$@"\n')
    (fakes / "torchrun").chmod(0o755)
    text = script.read_text().replace("export PATH=", "export IGNORED=")
    environment = {**os.environ, "PATH": f"{fakes}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash"], input=text, text=True, capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    assert Run.open(script.parent).state() == "done" and list(script.parent.glob("*.safetensors"))


@pytest.fixture
def run_cli(capsys):
    from sdlora.cli import main

    def call(*arguments: str) -> str:
        code = main(list(arguments))
        told = capsys.readouterr()
        assert code == 0, told.err
        return told.out

    return call

"""Every engine that files can be written for, a line each."""

from sdlora.launch.hf_jobs import HF_JOBS
from sdlora.launch.kubernetes import KUBERNETES
from sdlora.launch.skypilot import SKYPILOT
from sdlora.launch.slurm import SLURM

ENGINES = {"slurm": SLURM, "skypilot": SKYPILOT, "kubernetes": KUBERNETES, "hf-jobs": HF_JOBS}

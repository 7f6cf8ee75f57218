"""SD 1.5 at its real size, random weights: the single file needs no network, equals the folder, and is held once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

ROOT = Path(__file__).parents[2]
COMPARE = """
import sys, threading, time
import torch
from sdlora.families.base import inspect_base
from sdlora.families.shared.load import load_text_encoders, load_tokenizers, load_unet, load_vae

def private():  # bytes of this process that are no mapped file
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])

def digest(model):
    return [(name, v.double().sum().item(), v.flatten()[:9].tolist()) for name, v in model.state_dict().items()]

folder, single = (inspect_base(path) for path in sys.argv[1:])
assert folder.family == single.family == "sd1" and single.resolution == 512 and single.precision == "fp16"
load_vae(single)  # warms up what every load needs
before, peak, done = private(), 0, False

def watch():
    global peak
    while not done:
        peak = max(peak, private())
        time.sleep(0.002)

threading.Thread(target=watch).start()
unet = load_unet(single, torch.float32)
done = True
size = sum(4 * p.numel() for p in unet.parameters())
assert size > 3.4e9 and peak - before < 1.1 * size, (size, peak - before)
one = digest(unet)
del unet
assert digest(load_unet(folder, torch.float32)) == one
assert digest(load_vae(folder)) == digest(load_vae(single))
one, two = (load_text_encoders(base)["text_encoder"] for base in (folder, single))
assert digest(one) == digest(two)
assert len({str(load_tokenizers(base)["text_encoder"]("a cat!").input_ids) for base in (folder, single)}) == 1
"""


TRAIN = """
import resource, sys
from sdlora.cli import main
status = main(["train", *sys.argv[1:]])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def sd15(tmp_path_factory):
    """(diffusers folder, single file) of the same numbers: 4 GB of disk."""
    there = tmp_path_factory.mktemp("full")
    folder, single = there / "sd15", there / "sd15.safetensors"
    for target in (folder, single):
        subprocess.run([sys.executable, ROOT / "benchmarks/speed/make_sd15.py", target], check=True)
    yield folder, single
    shutil.rmtree(there)


def offline(tmp_path, *command):
    away = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", *command], env=os.environ | away, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_from_a_single_file_offline(sd15, tmp_path):
    offline(tmp_path, COMPARE, *map(str, sd15))


@pytest.mark.large
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["sd21", "sdxl"])
def test_the_larger_families_train_in_bf16(tmp_path, images, kind):
    """Two steps at 64 px from a single file, text encoders included, within 20 GB."""
    base = tmp_path / f"{kind}.safetensors"
    subprocess.run([sys.executable, ROOT / "benchmarks/speed/make_sd15.py", base, "--family", kind], check=True)
    told = offline(
        tmp_path, TRAIN, f"--model.base={base}", f"--data.folder={images}", "--data.resolution=64", "--data.upscale",
        f"--run.folder={tmp_path / 'runs'}", "--train.steps=2", "--train.device=cpu", "--train.precision=bf16",
        "--sample.every=0", "--validation.every=0", "--sample.prompts=zib", "--sample.steps=1", "--sample.guidance=1",
    )  # fmt: skip
    base.unlink()
    assert int(told.rsplit("peak ", 1)[1]) < 20e9
    assert list((tmp_path / "runs").glob("*/my-lora.safetensors"))


@pytest.mark.slow
def test_it_trains_and_its_file_is_exact_in_diffusers(sd15, tmp_path, images):
    """Two steps at 128 px from the single file; the loop reads the file back through diffusers and compares."""
    told = offline(
        tmp_path, TRAIN, f"--model.base={sd15[1]}", f"--data.folder={images}", "--data.resolution=128",
        f"--run.folder={tmp_path / 'runs'}", "--train.steps=2", "--train.device=cpu", "--data.upscale",
        "--sample.every=0", "--validation.every=0", "--sample.prompts=zib", "--sample.steps=1", "--sample.guidance=1",
    )  # fmt: skip
    assert int(told.rsplit("peak ", 1)[1]) < 12e9
    (file,) = (tmp_path / "runs").glob("*/my-lora.safetensors")
    with safe_open(file, framework="np") as lora:
        assert len(list(lora.keys())) == 3 * (192 + 72)

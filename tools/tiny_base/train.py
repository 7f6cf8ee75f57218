"""All steps in one command, on a budget of minutes: what is missing is made, what was stopped goes on.

    python tools/tiny_base/train.py DATA --minutes 9 [--start sdlora/families/tiny]

A quarter of the minutes goes to the autoencoder, six tenths to UNet and text encoder; the rest is for drawing,
encoding and saving. Once UNet training has begun, the autoencoder stays as it is. Called again with more minutes, the
UNet goes on. Needs the npm packages in DATA (README.md), or DATA/layers.npz and DATA/names.json from another machine.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VAE_SHARE, UNET_SHARE = 0.25, 0.6


def steps(
    data: Path, minutes: float, start: Path | None, workers: int, cuda: bool, device: str | None,
    vae_shape: list[str] = (), unet_shape: list[str] = (),
) -> list[list[str]]:  # fmt: skip
    """The commands that are still to be run, each as script and arguments."""
    many, where = ["--workers", str(workers)], ["--device", device] if device else []
    out = []
    if not ((data / "layers.npz").exists() and (data / "names.json").exists()):
        out.append(["prepare.py", str(data), *many])
    if not (data / "vae").is_dir():
        begin = ["--start", str(start / "vae")] if start else []
        budget = ["--minutes", f"{VAE_SHARE * minutes:.2f}"]
        out.append(["train_vae.py", str(data), *budget, *begin, *many, *where, *vae_shape])
    unet = ["train_unet.py", str(data), "--minutes", f"{UNET_SHARE * minutes:.2f}", *many, *where]
    unet += [*(["--start", str(start)] if start else []), *unet_shape]
    # Compiling takes most of a minute on a GPU; on a CPU it gains nothing.
    out.append(unet + (["--compile"] if cuda and UNET_SHARE * minutes >= 4 else []))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=9, help="of work, over all calls")
    parser.add_argument("--start", type=Path, help="a base to go on from, such as sdlora/families/tiny")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--device", help="cpu or cuda (default: cuda where PyTorch finds it)")
    parser.add_argument("--vae-channels", help="other than train_vae.py's own; with --start as many or a multiple")
    parser.add_argument("--unet-channels", help="other than train_unet.py's own; not with --start")
    args = parser.parse_args()
    import torch

    cuda = torch.cuda.is_available() and args.device != "cpu"
    shapes = [["--channels", c] if c else [] for c in (args.vae_channels, args.unet_channels)]
    for script, *options in steps(args.data, args.minutes, args.start, args.workers, cuda, args.device, *shapes):
        began = time.time()
        print(f"{script} {' '.join(options)}", flush=True)
        subprocess.run([sys.executable, str(HERE / script), *options], check=True)
        print(f"{script}: {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""Images, texts and settings for the tests."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from safetensors.numpy import save_file

from sdlora.data.captions import write_caption
from sdlora.settings import Settings, dump_settings, make_settings, without_paths

HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> ${document.title='pwned'} {{7*7}} <b>bold</b>"


def make_images(folder: Path, count: int, caption: str = "a disc, number {n}") -> Path:
    """``count`` different PNGs of 96 pixels, each with a caption."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(1, count + 1):
        image = Image.new("RGB", (96, 96), (240, 240, 250))
        ImageDraw.Draw(image).ellipse((10, 10, 40 + n % 40, 40 + n % 40), fill=(n * 7 % 256, 90, 160))
        image.save(folder / f"disc{n:04d}.png")
        write_caption(folder / f"disc{n:04d}.png", caption.format(n=n))
    return folder


SETTINGS = make_settings(
    {
        "data": {"folder": "/pictures/cats", "trigger": "ohwx", "cache": "/pictures/cats/.sdlora_cache"},
        "model": {"base": "/models/some.safetensors"},
        "adapter": {
            "rank": 24,
            "alpha": 3.5,
            "stack": ["/loras/a.safetensors=0.5"],
            "rank_pattern": {"*.mid_block.*": 4},
        },
        "train": {"seed": 2**62 + 1},
        "sample": {"prompts": ["one", "two"]},
        "run": {"name": "cats"},
    }
)


def lora_file(path: Path, settings: str | None) -> Path:
    metadata = {"ss_network_dim": "4"} | ({"sdlora_settings": settings} if settings is not None else {})
    save_file({"x": np.zeros(4, np.float32)}, path, metadata)
    return path


def in_the_file(settings: Settings) -> str:
    """As the trainer writes it, without the folders."""
    return dump_settings(without_paths(settings))

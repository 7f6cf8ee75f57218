"""What of an image is to be learnt: from a mask beside it, or from its transparency. No torch.

White, or opaque, is learnt; black, or transparent, hardly or not. Masks are those that ``listing`` tells from images.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from sdlora.data.buckets import Placement
from sdlora.data.images import load_alpha, load_image
from sdlora.data.listing import Listing, masked_name, name_key


def masks_of(listing: Listing) -> dict[Path, Path]:
    """Image -> its mask, of the images that have one: in the same folder before one elsewhere."""
    stems: dict[str, list[Path]] = {}
    for mask in listing.masks:
        stems.setdefault(name_key(masked_name(mask.stem)), []).append(mask)
    found = {}
    for image in listing.images:
        near = sorted(stems.get(name_key(image.stem), ()), key=lambda mask: _distance(mask, image))
        if near:
            found[image] = near[0]
    return found


def _distance(mask: Path, image: Path) -> tuple[int, str]:
    """How many folders lie between them; of equals the first by name."""
    ours, theirs = image.parent.parts, mask.parent.parts
    same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return len(ours) + len(theirs) - 2 * same, str(mask)


def mask_picture(mask: Path, image: Path) -> Image.Image:
    """The mask as 8-bit grey, upright; of an image that is its own mask, its transparency. UserError as load_image."""
    return load_alpha(image) if mask == image else load_image(mask).convert("L")


def mask_at(mask: Image.Image, placement: Placement, size: tuple[int, int]) -> np.ndarray:
    """How much of each latent pixel is to be learnt: float32 (height, width), 0 to 1.

    It is scaled and cut as its image is, whatever its own size; beyond the image (pad) nothing is learnt. Then the
    mean over the pixels of each latent pixel. size: (width, height) of the latents.
    """
    (width, height), (left, top, right, bottom) = placement.resized, placement.crop
    part = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    x, y = mask.width / width, mask.height / height
    box = (part[0] * x, part[1] * y, min(part[2] * x, mask.width), min(part[3] * y, mask.height))
    seen = mask.resize((part[2] - part[0], part[3] - part[1]), Image.Resampling.BILINEAR, box=box)
    whole = Image.new("L", placement.bucket, 0)
    whole.paste(seen, (part[0] - left, part[1] - top))
    values = np.asarray(whole, np.float32) / 255
    across, down = placement.bucket[0] // size[0], placement.bucket[1] // size[1]
    return values.reshape(size[1], down, size[0], across).mean((1, 3))

"""What is computed once before training: latents, and the texts where no text encoder learns."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdlora.data.cache import LatentCache, TextCache, encoder_identity, vae_identity
from sdlora.data.dataset import Item
from sdlora.data.images import content_hash
from sdlora.events import Event, Progress
from sdlora.lora.read import merge_into_modules
from sdlora.models.families import BaseInfo
from sdlora.models.load import load_text_encoders, load_vae
from sdlora.models.text import TextEncoding, TextReader, padded


class Latents(LatentCache):
    """The images' latents, and for inpainting models those of an empty picture in every size."""

    def __init__(self, folder: Path, vae_id: str):
        super().__init__(folder, vae_id)
        self.empty = TextCache(folder, f"empty picture, {vae_id}")  # by its size instead of a text

    def masked(self, item: Item, scaling_factor: float) -> Tensor:
        """(5, h, w) float32: a mask of ones and the scaled latents of a picture with everything masked out.

        Inpainting models take them beside the noisy latents (diffusers' order); masking all is what makes them draw
        whole pictures, and it needs no VAE during training.
        """
        latents = self.empty.get(_size(item)) * scaling_factor
        return torch.cat([torch.ones_like(latents[:1]), latents])


class TextStore:
    """Text-encoder outputs on disk: hidden states and, for SDXL, pooled embeddings."""

    def __init__(self, folder: Path, identity: str, sdxl: bool):
        self.hidden, self.pooled = TextCache(folder, identity), TextCache(folder, identity + ", pooled")
        self.sdxl = sdxl

    def has(self, text: str) -> bool:
        return self.hidden.get(text) is not None and (not self.sdxl or self.pooled.get(text) is not None)

    def put(self, text: str, encoding: TextEncoding) -> None:
        """encoding: of this text alone (B = 1)."""
        self.hidden.put(text, encoding.hidden[0])
        if self.sdxl:
            self.pooled.put(text, encoding.pooled[0])

    def batch(self, texts: Sequence[str]) -> TextEncoding:
        """The texts as one batch, brought to the same length with the empty text."""
        found = [self._get(text) for text in texts]
        uneven = len({e.hidden.shape[1] for e in found}) > 1
        return padded(found, self._get("") if uneven else None)

    def _get(self, text: str) -> TextEncoding:
        return TextEncoding(self.hidden.get(text)[None], self.pooled.get(text)[None] if self.sdxl else None)


def cache_latents(items: list[Item], base: BaseInfo, folder: Path, flip: bool, device) -> Iterator[Event | Latents]:
    """Encode what is missing, in float32 (some VAEs overflow in fp16); Progress events, then the cache itself.

    The VAE is loaded only if something is missing, and dropped before this ends.
    """
    cache = Latents(folder, vae_identity(base, folder) + "-fp32")
    sizes = {_size(item): item for item in items} if base.inpainting else {}
    sizes = {size: item for size, item in sizes.items() if cache.empty.get(size) is None}
    if cache.missing(items, flip) or sizes:
        vae = load_vae(base, torch.float32).to(device)

        @torch.no_grad()
        def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
            posterior = vae.encode(pixels.to(device)).latent_dist
            return posterior.mean, posterior.std

        for size, item in sizes.items():
            width, height = item.placement.bucket
            cache.empty.put(size, encode(torch.zeros(1, 3, height, width))[0][0])
        for done, of in cache.encode(items, encode, flip):
            yield Progress("latents", done, of)
    yield cache


@torch.no_grad()
def cache_texts(
    texts: list[str], base: BaseInfo, reader: TextReader, stack: list[tuple[str, float]], folder: Path, device, dtype
) -> Iterator[Event | TextStore]:
    """The same for text encoders that are not trained. ``stack``: LoRA files merged into them first."""
    how = (dtype, reader.clip_skip, reader.max_chunks, reader.weighted, [(content_hash(Path(p)), s) for p, s in stack])
    store = TextStore(folder, f"{encoder_identity(base, folder)}-{how}", reader.sdxl)
    missing = [text for text in dict.fromkeys(["", *texts]) if not store.has(text)]  # "" fills up shorter texts
    if missing:
        encoders = {root: encoder.to(device) for root, encoder in load_text_encoders(base, dtype).items()}
        for path, strength in stack:
            merge_into_modules(encoders, path, strength)
        for done, text in enumerate(missing, 1):
            store.put(text, reader.encode(list(encoders.values()), reader.tokens([text]).to(device)))
            yield Progress("text", done, len(missing))
    yield store


def _size(item: Item) -> str:
    return "{} x {}".format(*item.placement.bucket)

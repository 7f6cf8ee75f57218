"""What is computed once before training: latents, and the texts where no text encoder learns."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sdlora.data.cache import EncodeFn, LatentCache, TextCache, encoder_identity, vae_identity
from sdlora.data.dataset import Item
from sdlora.data.images import content_hash
from sdlora.errors import UserError
from sdlora.events import Event, Progress, Warned
from sdlora.families.base import BaseInfo
from sdlora.families.shared.clip_text import TextEncoding, TextReader, padded
from sdlora.families.shared.load import load_text_encoders, load_vae
from sdlora.lorafiles.attach import merge_into_modules


class Latents(LatentCache):
    """The images' latents, and for inpainting models those of an empty picture in every size."""

    def __init__(self, folder: Path, vae_id: str):
        super().__init__(folder, vae_id)
        self.empty = TextCache(folder, f"empty picture, {vae_id}")  # by its size instead of a text
        self.renew: Callable[[Item, bool], None] | None = None  # encodes one image again
        self.notes: list[str] = []  # what was found wrong since somebody last looked

    def load(self, item: Item, flipped: bool) -> tuple[Tensor, Tensor]:
        """As ``LatentCache.load``; what is gone or damaged since the start is made again, with a note."""
        try:
            return super().load(item, flipped)
        except UserError:
            if self.renew is None:
                raise
        self.renew(item, flipped)
        self.notes.append(f"The cached latents of {item.name} were gone or damaged; they have been made again.")
        return super().load(item, flipped)

    def masked(self, item: Item, scaling_factor: float) -> Tensor:
        """(5, h, w) float32: a mask of ones and the scaled latents of a picture with everything masked out.

        Inpainting models take them beside the noisy latents (diffusers' order); masking all is what makes them draw
        whole pictures, and it needs no VAE during training.
        """
        latents = self.empty.get(_size(item)) * scaling_factor
        return torch.cat([torch.ones_like(latents[:1]), latents])


class TextStore:
    """Text-encoder outputs on disk: hidden states and, where the family has them, pooled embeddings."""

    def __init__(self, folder: Path, identity: str, has_pooled: bool):
        self.hidden, self.pooled = TextCache(folder, identity), TextCache(folder, identity + ", pooled")
        self.has_pooled = has_pooled
        self.renew: Callable[[str], None] | None = None  # encodes one text again
        self.notes: list[str] = []  # what was found wrong since somebody last looked

    @property
    def damaged(self) -> set[str]:
        """Texts that were found damaged."""
        return self.hidden.damaged | self.pooled.damaged

    def has(self, text: str) -> bool:
        return self.hidden.get(text) is not None and (not self.has_pooled or self.pooled.get(text) is not None)

    def put(self, text: str, encoding: TextEncoding) -> None:
        """encoding: of this text alone (B = 1)."""
        self.hidden.put(text, encoding.hidden[0])
        if self.has_pooled:
            self.pooled.put(text, encoding.pooled[0])

    def batch(self, texts: Sequence[str]) -> TextEncoding:
        """The texts as one batch, brought to the same length with the empty text."""
        found = [self._get(text) for text in texts]
        uneven = len({e.hidden.shape[1] for e in found}) > 1
        return padded(found, self._get("") if uneven else None)

    def _get(self, text: str) -> TextEncoding:
        if not self.has(text):
            if self.renew is None:
                raise UserError(f"The cached text of {text[:60]!r} is gone or damaged.", fix="Start again to renew it.")
            self.renew(text)
            self.notes.append(f"The cached text of {text[:60]!r} was gone or damaged; it has been made again.")
        return TextEncoding(self.hidden.get(text)[None], self.pooled.get(text)[None] if self.has_pooled else None)


def cache_latents(items: list[Item], base: BaseInfo, folder: Path, flip: bool, device) -> Iterator[Event | Latents]:
    """Encode what is missing, in float32 (some VAEs overflow in fp16); Progress events, then the cache itself.

    A Warned names what was there and damaged. The VAE is loaded only if something is missing, and dropped before this
    ends.
    """
    cache = Latents(folder, vae_identity(base, folder) + "-fp32")

    def encoder() -> EncodeFn:
        vae = load_vae(base, torch.float32).to(device)

        @torch.no_grad()
        def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
            posterior = vae.encode(pixels.to(device)).latent_dist
            return posterior.mean, posterior.std

        return encode

    sizes = {_size(item): item for item in items} if base.inpainting else {}
    sizes = {size: item for size, item in sizes.items() if cache.empty.get(size) is None}
    missing = cache.missing(items, flip)
    if names := list(dict.fromkeys([*cache.damaged, *cache.empty.damaged])):
        yield Warned(f"The cached latents of {_shown(names)} were damaged and are made again.")
    if missing or sizes:
        encode = encoder()
        for size, item in sizes.items():
            width, height = item.placement.bucket
            cache.empty.put(size, encode(torch.zeros(1, 3, height, width))[0][0])
        for done, of in cache.encode(items, encode, flip, missing):
            yield Progress("latents", done, of)
    cache.renew = lambda item, flipped: deque(cache.encode([item], encoder(), False, [(item, flipped)]), 0)
    yield cache


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def cache_texts(
    texts: list[str], base: BaseInfo, reader: TextReader, stack: list[tuple[str, float]], folder: Path, device, dtype
) -> Iterator[Event | TextStore]:
    """The same for text encoders that are not trained. ``stack``: LoRA files merged into them first."""
    how = (dtype, reader.clip_skip, reader.max_chunks, reader.weighted, [(content_hash(Path(p)), s) for p, s in stack])
    store = TextStore(folder, f"{encoder_identity(base, folder)}-{how}", reader.pooled)
    missing = [text for text in dict.fromkeys(["", *texts]) if not store.has(text)]  # "" fills up shorter texts
    if store.damaged:
        yield Warned(f"Damaged entries of the text cache are made again: {len(store.damaged)}.")

    def encode(some: list[str]) -> Iterator[int]:
        encoders = {root: encoder.to(device) for root, encoder in load_text_encoders(base, dtype).items()}
        for path, strength in stack:
            merge_into_modules(encoders, path, strength)
        for done, text in enumerate(some, 1):
            with torch.no_grad():
                store.put(text, reader.encode(list(encoders.values()), reader.tokens([text]).to(device)))
            yield done

    for done in encode(missing) if missing else ():
        yield Progress("text", done, len(missing))
    store.renew = lambda text: deque(encode([text]), 0)
    yield store


def _size(item: Item) -> str:
    return "{} x {}".format(*item.placement.bucket)

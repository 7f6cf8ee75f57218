"""What is computed once before training: latents, and the texts where no text encoder learns."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sdlora.data.cache import WHOLE, EncodeFn, LatentCache, Share, TextCache, encoder_identity, vae_identity
from sdlora.data.dataset import Item
from sdlora.data.images import content_hash
from sdlora.data.masks import mask_at, mask_picture
from sdlora.errors import UserError, ran_out_of_memory
from sdlora.events import Event, Progress, Warned
from sdlora.families.base import BaseInfo
from sdlora.families.shared.clip_text import TextEncoding, TextReader, padded
from sdlora.families.shared.device import release_memory
from sdlora.families.shared.load import load_text_encoders, load_vae
from sdlora.lorafiles.attach import merge_into_modules
from sdlora.messages import listed, reason_of, say


class Latents(LatentCache):
    """The images' latents, and for inpainting models those of an empty picture in every size."""

    def __init__(self, folder: Path, vae_id: str):
        super().__init__(folder, vae_id)
        self.masks = TextCache(folder, "masks")  # by mask and placement instead of a text
        self.empty = TextCache(folder, f"empty picture, {vae_id}")  # by its size instead of a text
        self.renew: Callable[[Item, bool], object] | None = None  # encodes one image again
        self.renew_empty: Callable[[Item], object] | None = None  # encodes an empty picture of an image's size again
        self.notes: list[str] = []  # what was found wrong since somebody last looked

    def load(self, item: Item, flipped: bool) -> tuple[Tensor, Tensor]:
        """(mean, std), each (4, h, w) float32; what is gone or damaged since the start is made again, with a note."""
        try:
            return super().load(item, flipped)
        except UserError:
            if self.renew is None:
                raise
        self.renew(item, flipped)
        self.notes.append(say("training.latents_renewed", name=item.name))
        return super().load(item, flipped)

    def mask(self, item: Item, flipped: bool, shape: Sequence[int]) -> Tensor | None:
        """(1, h, w) float32, 0 to 1: how much of each latent pixel is learnt; None for an image without a mask.

        shape: of its latents, (4, h, w). Made when it is first asked for, then kept beside the latents. UserError for a
        mask that is gone or has changed since the scan.
        """
        if item.mask is None:
            return None
        key = f"{item.mask_hash} {astuple(item.placement)} {tuple(shape)[1:]} {item.mask == item.path}"
        found = self.masks.get(key)
        if found is None:
            found = torch.from_numpy(_drawn_mask(item, (shape[2], shape[1])))[None]
            self.masks.put(key, found)
        return found.flip(-1) if flipped else found

    def masked(self, item: Item, scaling_factor: float) -> Tensor:
        """(5, h, w) float32: a mask of ones and the scaled latents of a picture with everything masked out.

        Inpainting models take them beside the noisy latents (diffusers' order); masking all is what makes them draw
        whole pictures, and it needs no VAE during training.
        """
        latents = self.empty.get(_size(item))
        if latents is None and self.renew_empty is not None:
            self.renew_empty(item)
            self.notes.append(say("training.latents_renewed", name=say("training.empty_picture")))
            latents = self.empty.get(_size(item))
        if latents is None:
            what = say("images.latents_lost", name=say("training.empty_picture"))
            raise UserError(what, fix=say("images.renew_latents"))
        return torch.cat([torch.ones_like(latents[:1]), latents * scaling_factor])


class TextStore:
    """Text-encoder outputs on disk: hidden states and, where the family has them, pooled embeddings."""

    def __init__(self, folder: Path, identity: str, has_pooled: bool):
        self.hidden, self.pooled = TextCache(folder, identity), TextCache(folder, identity + ", pooled")
        self.has_pooled = has_pooled
        self.renew: Callable[[str], object] | None = None  # encodes one text again
        self.notes: list[str] = []  # what was found wrong since somebody last looked

    @property
    def damaged(self) -> set[str]:
        """Texts that were found damaged."""
        return self.hidden.damaged | self.pooled.damaged

    def has(self, text: str) -> bool:
        """Is the text's encoding there, and whole?"""
        return self._read(text) is not None

    def put(self, text: str, encoding: TextEncoding) -> None:
        """Keep the encoding of one text (B = 1)."""
        self.hidden.put(text, encoding.hidden[0])
        if self.has_pooled and encoding.pooled is not None:
            self.pooled.put(text, encoding.pooled[0])

    def batch(self, texts: Sequence[str]) -> TextEncoding:
        """The texts as one batch, brought to the same length with the empty text."""
        encodings = [self._get(text) for text in texts]
        uneven = len({encoding.hidden.shape[1] for encoding in encodings}) > 1
        return padded(encodings, self._get("") if uneven else None)

    def _get(self, text: str) -> TextEncoding:
        encoding = self._read(text)
        if encoding is None and self.renew is not None:
            self.renew(text)
            self.notes.append(say("training.text_renewed", words=repr(text[:60])))
            encoding = self._read(text)
        if encoding is None:
            what = say("training.text_lost", words=repr(text[:60]))
            raise UserError(what, fix=say("training.renew_text"))
        return encoding

    def _read(self, text: str) -> TextEncoding | None:
        """The text as a batch of one; None if anything of it is missing or damaged."""
        hidden = self.hidden.get(text)
        pooled = self.pooled.get(text) if self.has_pooled else None
        if hidden is None or (self.has_pooled and pooled is None):
            return None
        return TextEncoding(hidden[None], None if pooled is None else pooled[None])


def cache_latents(
    items: list[Item], base: BaseInfo, folder: Path, flip: bool, device, share: Share = WHOLE
) -> Iterator[Event | Latents]:
    """Encode what is missing, in float32 (some VAEs overflow in fp16); Progress events, then the cache itself.

    share: the part of it that is this process's. A Warned names what was there and damaged. The VAE is loaded only if
    something is missing, and dropped before this ends.
    """
    cache = Latents(folder, vae_identity(base, folder) + "-fp32")

    def encoder() -> EncodeFn:
        vae = load_vae(base, torch.float32).to(device)
        places = [torch.device(device)]

        @torch.no_grad()
        def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
            while True:  # a function that called itself would keep the VAE until Python looks for circles
                try:
                    posterior = vae.encode(pixels.to(places[-1])).latent_dist
                    return posterior.mean, posterior.std
                except Exception as error:
                    if not ran_out_of_memory(error) or places[-1].type == "cpu":
                        raise
                release_memory(places[-1].type)
                # In tiles it would fit, too, but those latents would not be the image's: norms see the whole picture.
                places.append(torch.device("cpu"))
                vae.to("cpu")
                cache.notes.append(say("training.memory_vae_on_cpu"))

        return encode

    def encode_empty(item: Item, encode: EncodeFn) -> None:
        width, height = item.placement.bucket
        cache.empty.put(_size(item), encode(torch.zeros(1, 3, height, width))[0][0])

    sizes = {_size(item): item for item in items} if base.inpainting else {}
    sizes = {size: item for size, item in share.part(list(sizes.items())) if cache.empty.get(size) is None}
    missing = cache.missing(items, flip, share)
    if names := list(dict.fromkeys([*cache.damaged, *cache.empty.damaged])):
        yield Warned(say("training.latents_damaged", captions=listed(names, 3)))
    if missing or sizes:
        encode = encoder()
        for item in sizes.values():
            encode_empty(item, encode)
        for done, of in cache.encode(items, encode, flip, missing):
            yield from (Warned(cache.notes.pop(0)) for _ in list(cache.notes))
            yield Progress("latents", done, of)
    cache.renew = lambda item, flipped: deque(cache.encode([item], encoder(), False, [(item, flipped)]), 0)
    cache.renew_empty = lambda item: encode_empty(item, encoder())
    yield cache


def cache_texts(
    texts: list[str], base: BaseInfo, reader: TextReader, stack: list[tuple[str, float]], folder: Path, device, dtype,
    share: Share = WHOLE,
) -> Iterator[Event | TextStore]:  # fmt: skip
    """Encode the texts that are missing, by text encoders that are not trained; Progress events, then the store.

    stack: LoRA files and strengths, merged into the encoders first. share: as in ``cache_latents``.
    """
    how = (dtype, reader.clip_skip, reader.max_chunks, reader.weighted, [(content_hash(Path(p)), s) for p, s in stack])
    store = TextStore(folder, f"{encoder_identity(base, folder)}-{how}", reader.pooled)
    wanted = share.part(list(dict.fromkeys(["", *texts])))  # "" fills up shorter texts
    missing = [text for text in wanted if not store.has(text)]
    if store.damaged:
        yield Warned(say("training.texts_damaged", count=len(store.damaged)))

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


def _drawn_mask(item: Item, size: tuple[int, int]) -> np.ndarray:
    assert item.mask is not None
    try:
        if content_hash(item.mask) == item.mask_hash:
            return mask_at(mask_picture(item.mask, item.path), item.placement, size)
    except OSError as error:
        reason = reason_of(error)
        raise UserError(say("images.mask_gone", name=item.mask.name, reason=reason), where=item.name) from error
    what = say("images.changed_after_check", name=item.mask.name)
    raise UserError(what, fix=say("images.start_again"), where=item.name)


def _size(item: Item) -> str:
    return "{} x {}".format(*item.placement.bucket)

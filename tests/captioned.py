"""What the trainer reads as the caption of one image."""

from pathlib import Path

from sdlora.data.captions import read_captions


def caption_of(image: Path) -> str:
    return read_captions([image], image.parent)[0][image].text

"""The folder to publish: card, LoRA, pictures, the text for Civitai. People may edit the card before it goes up."""

import io
from pathlib import Path

from PIL import Image

from sdlora.errors import explain
from sdlora.files.intact import write_atomically
from sdlora.publish.card import IMAGES, civitai_text, model_card, picture_names
from sdlora.publish.facts import Facts

CARD, CIVITAI = "README.md", "civitai.txt"


def write_folder(folder: Path, facts: Facts, repo: str = "", renew: bool = False) -> bool:
    """Write what is to be published into ``folder``; False if a card that was there is kept. UserError if it can't be.

    renew: write the card anew. The pictures lose what is noted inside of them; each file is whole or not there.
    """
    try:
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
        write_atomically(folder / facts.file.name, facts.file.read_bytes())
        for (_, picture), name in zip(facts.pictures, picture_names(facts), strict=True):
            write_atomically(folder / name, _clean(picture))
        write_atomically(folder / CIVITAI, civitai_text(facts))
        card = folder / CARD
        if card.exists() and not renew:
            return False
        write_atomically(card, model_card(facts, repo))
    except OSError as error:
        raise explain(error) from error
    return True


def published_files(facts: Facts) -> list[str]:
    """What goes to the hub, relative to the folder: nothing else that may lie there."""
    return [CARD, facts.file.name, *picture_names(facts)]


def _clean(picture: Path) -> bytes:
    """The pixels as PNG, with none of the notes that a program may have put into the file."""
    with Image.open(picture) as image:
        pixels = image.convert("RGB")
    pixels.info.clear()
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG")
    return buffer.getvalue()

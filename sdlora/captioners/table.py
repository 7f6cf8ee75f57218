"""The captioners by name, as ``sdlora caption --with`` has them: a file each and a line here. No torch at import."""

from sdlora.captioners import blip, florence, qwen, server, tagger
from sdlora.captioners.captioner import Captioner

CAPTIONERS: dict[str, Captioner] = {
    entry.CAPTIONER.name: entry.CAPTIONER
    for entry in (
        server,
        tagger,
        florence,
        blip,
        qwen,
    )
}  # fmt: skip

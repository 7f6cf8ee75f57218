"""What is wrong with pictures and captions that no check of files sees: a file a check, and a line here. No torch."""

from sdlora.doctor import alike, blur, borders, clear, colours, compression, garbled, repeated, usual
from sdlora.doctor.finding import CaptionCheck, PictureCheck

CHECKS: dict[str, PictureCheck] = {
    entry.CHECK.name: entry.CHECK
    for entry in (
        alike,
        blur,
        compression,
        borders,
        clear,
        colours,
    )
}  # fmt: skip
CAPTION_CHECKS: dict[str, CaptionCheck] = {
    entry.CHECK.name: entry.CHECK
    for entry in (
        garbled,
        repeated,
        usual,
    )
}  # fmt: skip

"""BLIP (Li et al. 2022), through transformers: one plain sentence, small and quick."""

from PIL.Image import Image

from sdlora.captioners.captioner import Captioner, Describe, Options
from sdlora.captioners.weights import checked_folder

KINDS = ("blip",)


def _open(options: Options) -> Describe:
    folder, _ = checked_folder(options, KINDS)
    from transformers import BlipForConditionalGeneration, BlipProcessor

    from sdlora.captioners.local import SAFE, answered, as_seen, loaded, safely

    processor = safely(folder, lambda: BlipProcessor.from_pretrained(folder, **SAFE))
    model = loaded(BlipForConditionalGeneration, folder, options.device)

    def describe(picture: Image) -> str:
        begin = {"text": options.prompt} if options.prompt else {}  # the sentence goes on from it
        inputs = processor(images=as_seen(picture), return_tensors="pt", **begin)
        return answered(model, inputs, lambda tokens: processor.decode(tokens, skip_special_tokens=True), options, 0)

    return describe


CAPTIONER = Captioner("blip", "BLIP: a short sentence; the prompt is how it begins", "text", _open)

"""Florence-2 (Xiao et al. 2023), in transformers' own port: a description in one to four sentences.

The port reads folders of its own layout (those of ``florence-community`` on the hub); Microsoft's first ones come with
code, which is never run.
"""

from PIL.Image import Image

from sdlora.captioners.captioner import Captioner, Describe, Options
from sdlora.captioners.weights import checked_folder

KINDS = ("florence2",)
TASK = "<MORE_DETAILED_CAPTION>"


def _open(options: Options) -> Describe:
    folder, _ = checked_folder(options, KINDS)
    from transformers import Florence2ForConditionalGeneration, Florence2Processor

    from sdlora.captioners.local import SAFE, answered, as_seen, loaded, safely

    processor = safely(folder, lambda: Florence2Processor.from_pretrained(folder, **SAFE))
    model = loaded(Florence2ForConditionalGeneration, folder, options.device)

    def describe(picture: Image) -> str:
        inputs = processor(text=options.prompt or TASK, images=as_seen(picture), return_tensors="pt")
        return answered(model, inputs, lambda tokens: processor.decode(tokens, skip_special_tokens=True), options, 0)

    return describe


CAPTIONER = Captioner(
    "florence", "Florence-2: a description; the prompt is one of its tasks", "text", _open, prompt=TASK
)

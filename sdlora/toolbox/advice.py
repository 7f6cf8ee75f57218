"""What to do about a layer that is no plain LoRA: the command that really does it."""

from sdlora.lorafiles.read import LoraFile


def plain_fix(file: LoraFile, name: str) -> str:
    """For ``convert``, ``merge`` and ``quantize``, which write plain LoRA exactly."""
    change = file.changes[name]
    if change.magnitudes is not None:
        return (
            "Make a plain LoRA of it with `sdlora resize --rank N --base MODEL`, where MODEL is the base model that it "
            "was trained on, or merge it into that with `sdlora merge --into`."
        )
    if change.sparse is not None:
        return "Approximate it with `sdlora resize --rank N`, or pass over the remainder with --leave-out."
    return "Approximate it with `sdlora resize --rank N`."

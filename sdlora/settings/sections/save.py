"""save.*: checkpoints, and the LoRA file."""

from typing import Literal

from sdlora.settings.setting import Section, When, setting


# fmt: off
class SaveSettings(Section):
    """Checkpoints, and the LoRA file."""

    every: int = setting(
        250, "Steps between checkpoints; 0 for only at the end.",
        label="Checkpoint every … steps", group="saving", cost=False, ge=0, le=10_000_000
    )
    keep: int = setting(
        3, "How many of the newest checkpoints stay; 0 for all.",
        label="Checkpoints to keep", group="saving", cost=False, ge=0, le=1_000_000,
        when=When({"save.every": "set"})
    )
    container: Literal["kohya", "diffusers"] = setting(
        "kohya", "Layout of the LoRA file: kohya loads in every tool, diffusers only in diffusers.",
        label="File layout", group="saving", cost=False
    )
    dtype: Literal["fp16", "bf16", "fp32"] = setting(
        "fp16", "Number format of the LoRA file.",
        label="Numbers in the file", group="saving", cost=False
    )
    side_files: bool = setting(
        True,
        "Write NAME.json and NAME.png beside the LoRA file: tools insert the trigger word and show the picture.",
        label="Side files", group="saving", cost=False
    )
    metadata: Literal["full", "minimum"] = setting(
        "full", "What the file tells about the training: everything, or no captions, prompts and settings.",
        label="Metadata", group="saving", cost=False
    )

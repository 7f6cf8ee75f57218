"""sample.*: test pictures while it trains."""

from typing import Literal

from sdlora.settings.setting import Follows, Section, setting


# fmt: off
class SampleSettings(Section):
    """Test pictures while it trains."""

    prompts: list[str] = setting(
        list, "Prompts of the test pictures, one picture each.", "basic",
        label="Test prompts", group="test", own=True,
        hint="one prompt a line, for example:\na watercolour of a lighthouse", cost=False
    )
    negative: str = setting(
        "", "Negative prompt of the test pictures.",
        label="Negative prompt", group="test", wide=True, cost=False, max_length=10_000
    )
    every: int = setting(
        250, "Steps between test pictures; 0 for only at the start and the end.",
        label="Test pictures every … steps", group="test", cost=False, ge=0, le=10_000_000
    )
    size: int = setting(
        0, "Side of the test pictures in pixels; 0 for the training resolution.",
        label="Size of test pictures", group="test", cost=False, ge=0, le=4096,
        follows=Follows(("data.resolution",), lambda size: size)
    )
    steps: int = setting(
        20, "Denoising steps of a test picture.",
        label="Denoising steps", group="test", cost=False, usual=(1, 150), ge=1, le=1000
    )
    guidance: float = setting(
        7.5, "Guidance scale: how strictly the prompt is followed.",
        label="Guidance scale", group="test", cost=False, usual=(1, 20), ge=1, le=100
    )
    sampler: Literal["ddim", "euler", "dpm++ 2m"] = setting(
        "ddim", "How test pictures are denoised.",
        label="Sampler", group="test", cost=False
    )
    seed: int = setting(
        42, "Seed of the first test picture; the next prompts count up from it. -1 draws one.",
        label="Seed of test pictures", group="test", cost=False, ge=-1, le=2**63 - 1
    )

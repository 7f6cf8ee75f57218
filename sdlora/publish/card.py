"""The model card: README.md as the hub reads it, its head in YAML, and the text that Civitai asks for."""

import html
import json
import re

from sdlora.families.table import FAMILIES
from sdlora.messages import say
from sdlora.publish.facts import Facts

IMAGES = "images"
GENERAL = ("text-to-image", "diffusers", "lora", "template:sd-lora")  # what the hub's own LoRA cards have
UNNAMED = "-"  # the hub's text for a picture without a prompt


def picture_names(facts: Facts) -> list[str]:
    """What the gallery's pictures are called beside the card."""
    return [f"{IMAGES}/{place:02d}.png" for place in range(len(facts.pictures))]


def model_card(facts: Facts, repo: str = "") -> str:
    """README.md. repo: where it will lie on the hub, for the example; a placeholder if that is not known."""
    from huggingface_hub import ModelCardData

    labels = FAMILIES[facts.family].labels if facts.family in FAMILIES else None
    gallery = zip(facts.pictures, picture_names(facts), strict=True)
    head = ModelCardData(
        base_model=facts.base or None,
        license=facts.licence or None,
        tags=[*(labels.hub if labels else ()), *GENERAL],
        library_name="diffusers" if "diffusers" in facts.readers else None,
        pipeline_tag="text-to-image",
        instance_prompt=_one_line(facts.trigger) or None,
        widget=[{"text": _one_line(prompt) or UNNAMED, "output": {"url": name}} for (prompt, _), name in gallery]
        or None,
    )
    parts = [
        f"# {unmarked(facts.name)}",
        "<Gallery />" if facts.pictures else "",
        say("publishing.card_what", base=unmarked(facts.base or facts.base_name)),
        _section("publishing.card_trigger", say("publishing.card_write", trigger=code(facts.trigger)))
        if facts.trigger
        else "",
        _use(facts, repo or f"USER/{facts.file.stem}"),
        _table(facts),
    ]
    return f"---\n{head.to_yaml()}\n---\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def civitai_text(facts: Facts) -> str:
    """What Civitai's form asks for, a line a field."""
    base = FAMILIES[facts.family].labels.civitai if facts.family in FAMILIES else "Other"
    numbers = dict(facts.details)
    told = {
        "Name": facts.name,
        "Type": "LoRA",
        "File": facts.file.name,
        "Base model": base,
        "Trained on": facts.base or facts.base_name,
        "Trigger words": facts.trigger,
        "Training steps": numbers.get("Steps", ""),
        "Training epochs": numbers.get("Epochs", ""),
        "AutoV3": facts.hash[:12],
        "Licence": facts.licence,
    }
    lines = [f"{what}: {_one_line(value)}" for what, value in told.items() if value]
    gallery = zip(facts.pictures, picture_names(facts), strict=True)
    shown = [f"{name}: {_one_line(prompt)}" for (prompt, _), name in gallery if prompt]
    return "\n".join([*lines, *(["", "Pictures and their prompts:", *shown] if shown else [])]) + "\n"


def unmarked(text: str) -> str:
    """Text of a person's own in Markdown: none of it is markup."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(_one_line(text), quote=False))


def code(text: str) -> str:
    """Text of a person's own as code in Markdown, between more backticks than it has itself."""
    text = _one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def _use(facts: Facts, repo: str) -> str:
    parts: list[str] = []
    if set(facts.readers) - {"diffusers"}:
        call = code(f"<lora:{facts.file.stem}:1>")
        parts.append(say("publishing.card_put", file=code(facts.file.name), call=call))
    if "diffusers" in facts.readers and facts.base:
        prompt = next((prompt for prompt, _ in facts.pictures if prompt), facts.trigger)
        parts.append(
            "```python\n"
            "from diffusers import AutoPipelineForText2Image\n\n"
            f"base = {json.dumps(facts.base)}\n"
            "pipeline = AutoPipelineForText2Image.from_pretrained(base)\n"
            f"pipeline.load_lora_weights({json.dumps(repo)}, weight_name={json.dumps(facts.file.name)})\n"
            f'pipeline({json.dumps(_one_line(prompt))}).images[0].save("picture.png")\n'
            "```"
        )
    return _section("publishing.card_use", *parts) if parts else ""


def _table(facts: Facts) -> str:
    rows = [f"| {what} | {unmarked(value)} |" for what, value in facts.details]
    weights = say("publishing.card_hash")
    rows += [f"| {weights} | {code(facts.hash)} |"] if facts.hash else []
    return _section("publishing.card_training", "\n".join(["| | |", "|---|---|", *rows])) if rows else ""


def _section(title: str, *parts: str) -> str:
    heading = say(title)  # the card is English, as all files are
    return "\n\n".join([f"## {heading}", *parts])

"""Every command there is: ``COMMANDS`` names the file of each, which is imported when it is called."""

from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "datasets_example" / "style"  # a clone has it, an installed package has not


@dataclass(frozen=True)
class Command:
    """One line of the table.

    text: what it does, as ``--help`` says it; no capital, no full stop. module: the file here that does it; the
    command's own name if empty. needs: a folder without which the command is not offered.
    """

    text: str
    module: str = ""
    needs: Path | None = None


COMMANDS = {
    "ui": Command("open the page in the browser"),
    "train": Command("train a LoRA, for example: sdlora train settings.toml --adapter.rank 8"),
    "check": Command("say what is wrong with settings and images, without training"),
    "doctor": Command("say what is wrong with a folder of pictures: copies, blur, blocks, bars, captions"),
    "caption": Command("have a model write the captions: a local server, a tagger, BLIP, Florence-2, Qwen-VL"),
    "probe": Command("measure the time and memory of one step, without training"),
    "download": Command("download what is needed of a base model from the hub"),
    "models": Command("list the base models on this computer, of every drawing program"),
    "sample": Command("draw test pictures with a LoRA at several strengths"),
    "draw": Command("draw the pictures that FOLDER/job.json asks for"),
    "runs": Command("list the runs and how they stand; name, note, rate, zip and delete them"),
    "report": Command("write what is known of a run as one HTML file: curves, offers, pictures, rank"),
    "stop": Command("stop a run at its next step, keeping a usable LoRA", module="request"),
    "pause": Command("let a run wait", module="request"),
    "continue": Command("end a run's pause", module="request"),
    "save": Command("write a checkpoint now", module="request"),
    "pictures": Command("draw the test pictures now", module="request"),
    "export": Command("write a run's LoRA file again, from any checkpoint"),
    "launch": Command("write the files that run settings on Slurm, SkyPilot, Kubernetes or HF Jobs"),
    "publish": Command("write a run's model card, and upload it with its LoRA to the hub"),
    "merge": Command("merge LoRAs into one, or into a base model"),
    "average": Command("average LoRAs of the same shapes, such as checkpoints of one run"),
    "extract": Command("make a LoRA of the difference of two models"),
    "resize": Command("give a LoRA another rank"),
    "convert": Command("write a LoRA in another container or dtype"),
    "inspect": Command("say what a LoRA file is, and what is wrong with it"),
    "rename": Command("change a LoRA's name, trigger word or metadata"),
    "quantize": Command("make fp8 of a LoRA or a checkpoint"),
    "settings": Command("print every setting with its default and help as TOML"),
    "demo": Command("train the example style on the embedded base, show before and after", needs=EXAMPLE),
}

"""Every sentence of the page, and how numbers, durations and sizes are written."""

TITLE = "SD LoRA Trainer"
SUBTITLE = "Teach Stable Diffusion a style or a subject from a folder of captioned images."

TAB_IMAGES = "1  Images"
TAB_SETTINGS = "2  Settings"
TAB_RUNS = "3  Runs"

# ---- labels of the basic fields, by setting; the help line under each is the setting's own

LABELS = {
    "model.base": "Base model",
    "data.folder": "Image folder",
    "data.trigger": "Trigger word",
    "data.resolution": "Resolution",
    "adapter.rank": "Rank",
    "adapter.alpha": "Alpha",
    "train.steps": "Steps",
    "train.lr": "Learning rate",
    "train.seed": "Seed",
    "sample.prompts": "Test prompts",
    "run.name": "Name",
}
HINTS = {
    "data.folder": "/home/me/pictures/cat-toy",
    "data.trigger": "for example: ohwx",
    "sample.prompts": "one prompt a line, for example:\na watercolour of a lighthouse",
}
ONE_PER_LINE = "One per line."

# ---- images

SHOW = "Show images"
FOLDER_HELP = "Images with a caption in a .txt file of the same name beside each."
NO_FOLDER = "Type the folder that holds your images, then press Show images."
NO_IMAGES = "There is no image in this folder."
PREVIOUS, NEXT = "Previous", "Next"
GALLERY = "Images"
CAPTION = "Caption"
CAPTION_HELP = "Saved to the .txt file when you leave the box."
PICK = "Choose an image to read and change its caption."
SAVED = "Saved."
GONE = "This image is not there any more. Press Show images again."
NO_CAPTION = "no caption"
NOT_READABLE = "can't be read"
NOT_LOADED = "Press Show images first."


def images_found(count: int, captioned: int, problems: int) -> str:
    parts = [f"{number(count)} {'image' if count == 1 else 'images'}", f"{number(captioned)} with a caption"]
    if problems:
        parts.append(f"{number(problems)} {'note' if problems == 1 else 'notes'} below")
    return " · ".join(parts)


def unreadable(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} {NOT_READABLE} and is left out."
    more = f" and {number(len(names) - 5)} more" if len(names) > 5 else ""
    return f"{number(len(names))} images {NOT_READABLE} and are left out: {', '.join(names[:5])}{more}."


def page_of(first: int, last: int, count: int) -> str:
    return f"{number(first)} to {number(last)} of {number(count)}"


def more_problems(count: int) -> str:
    return f"and {number(count)} more."


# ---- folders that a person types

FOLDER_MISSING = "There is no folder {path}. Check the spelling."
FOLDER_IS_FILE = "{path} is a file. Type the folder that holds it."
FOLDER_ODD = "This is not a folder's path. Type a path such as /home/me/pictures."
FOLDER_OUTSIDE = "This page may only read folders inside {root}. Put the images there."

# ---- settings

GROUP_WHAT = "What"
GROUP_ADAPTER = "Adapter"
GROUP_TRAINING = "Training"
GROUP_TEST = "Test pictures"
STRENGTH = "Strength alpha / rank = "
CHECKS = "Checks"
ALL_GOOD = "Everything is in order."
CHECKED_AT_START = "The checks appear here as you fill in the form."
CHECK_AGAIN = "Check again"
START = "Start training"
CLOSE_ANYTIME = "You can close this page; training goes on."
BUSY = "{name} is training. Stop it or wait for its end to start another run."
NOT_HERE_YET = "The base model {base} is not on this computer yet."
NOT_HERE_FIX = "Download it once with: hf download {base}"
NOT_STARTED = "Not started: mend what the checks list."
FATAL, WARNING = "Problem", "Note"

# ---- runs

NOTHING_RUNNING = "Nothing is running."
NO_RUNS = "No runs yet. Choose your images, look over the settings and press Start training."
RUN_LIST = "Runs"
STOP, PAUSE, CONTINUE, RESUME = "Stop", "Pause", "Continue", "Resume"
SAVE_NOW, SAMPLE_NOW = "Save now", "Test picture now"
SAMPLES = "Test pictures"
NO_SAMPLES = "The first test pictures appear before step 1."
NO_PROMPTS = "This run has no test prompts."
LEARNING_CURVE = "Learning curve"
CURVE_HELP = "Judge by the test pictures: the grey line is mostly noise, the coloured line is its running average."
SERIES_RAW, SERIES_SMOOTH = "each step", "smoothed"
FILES = "Files"
NO_FILES = "The LoRA file appears here at the end, also when you stop early."
FINAL_FILE, CHECKPOINT_FILE = "LoRA of the whole run", "LoRA of a checkpoint"
CHECKPOINTS = "Checkpoints"
CHECKPOINTS_HELP = "Choose a step to get its LoRA as a file."
MAKE_FILE, MAKING_FILE = "Make the LoRA file", "Making the file…"
LOG = "Log"
DOWNLOAD = "Download"
LAST_LINES = "The last lines of the log:"
BEFORE = "before"

STATES = {
    "starting": "starting",
    "running": "training",
    "pausing": "pausing",
    "paused": "paused",
    "stopping": "stopping",
    "done": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "stopped unexpectedly",
    "new": "did not start",
}
WORK = {"latents": "Preparing images", "text": "Reading captions", "samples": "Making test pictures"}
ASKED = {
    "stop": "Stopping after this step. The LoRA so far is kept.",
    "pause": "Pausing after this step.",
    "continue": "Going on.",
    "save": "A checkpoint is saved after this step.",
    "sample": "Test pictures are made after this step.",
}
NOT_RUNNING = "This run is not training at the moment."
UNKNOWN_CHECKPOINT = "There is no such checkpoint any more."
UNKNOWN_RUN = "There is no such run any more."
FINISHED_IN = "Finished in {time}."
STOPPED_AT = "Stopped at step {step}. The LoRA so far is kept; Resume goes on from here."
FAILED_AT = "Failed at step {step}. {text}"
INTERRUPTED_AT = "{name} stopped unexpectedly at step {step}. Resume goes on from the last checkpoint."
NEVER_STARTED = "The trainer ended before it said a word."
STARTING = "The trainer is starting; this takes a few seconds."


def run_label(name: str, when: str, state: str) -> str:
    return " · ".join(part for part in (name, when, STATES[state]) if part)


def step_title(step: int) -> str:
    return BEFORE if step == 0 else f"step {number(step)}"


def alt_text(prompt: str, step: int) -> str:
    return f"Test picture, {step_title(step)}, {prompt}"


# ---- the server

LISTEN_NEEDS_PASSWORD = (
    "--listen opens the page to your network, so it needs a password. "
    "Set the environment variable SDLORA_PASSWORD (at least 8 characters) and start again; the user name is sdlora."
)
PORT_TAKEN = (
    "Port {port} is in use, perhaps by this page already. Open http://127.0.0.1:{port} or start with --port {other}."
)
SERVING = "The page is at {url}  (Ctrl-C ends the page; a run goes on)"


# ---- numbers


def number(value: float) -> str:
    return f"{value:,.0f}"


def compact(value: float) -> str:
    """At most three decimals, no trailing zeros: 0.5, 1, 0.333."""
    return f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def duration(seconds: float) -> str:
    """Rounded as people say it: "40 s", "15 min", "3 h 20 min"."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(seconds: float) -> str:
    return f"about {duration(seconds)} left"


def pace(seconds: float) -> str:
    """Time per step, or steps per second where that is the larger number."""
    return f"{seconds:.1f} s per step" if seconds >= 1 else f"{1 / seconds:.1f} steps per second"


def size(count: int) -> str:
    """Bytes in the unit that reads well; decimal units, as file managers show them."""
    for unit, limit in (("kB", 1e6), ("MB", 1e9), ("GB", float("inf"))):
        if count < limit:
            value = count / (limit / 1000 if limit != float("inf") else 1e9)
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    raise AssertionError("unreachable")

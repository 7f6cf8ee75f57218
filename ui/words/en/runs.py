"""The Runs tab."""

NO_RUNS = "No runs yet. Choose your images, look over the settings and press Start training."
RUN_LIST = "Runs"
STOP, PAUSE, CONTINUE, RESUME = "Stop", "Pause", "Continue", "Resume"
SAVE_NOW, SAMPLE_NOW = "Save now", "Test picture now"
SAMPLES = "Test pictures"
NO_SAMPLES = "The first test pictures appear before step 1."
NO_PROMPTS = "This run has no test prompts."
LEARNING_CURVE = "Learning curve"
CURVE_HELP = "Judge by the test pictures: the faint line is mostly noise, the strong one is its running average."
CURVE_HELP_CHECK = (
    "Judge by the test pictures. The validation loss is measured on the same images with the same noise each time; "
    "when it rises on images that are held out, the LoRA learns its images by heart. The faint line is mostly noise."
)
CURVE_HELP_DRIFT = (
    "Drift is the price: how far the model's answers to prompts of everyday things have moved from the base model's. "
    "It rises as long as anything is learnt."
)
SERIES_RAW, SERIES_SMOOTH, SERIES_CHECK = "each step", "smoothed", "validation"
SERIES_TRAINED, SERIES_DRIFT = "the same on training images", "drift of other prompts"
SMOOTHING, FOLLOW = "Smoothing", "Follow latest"
OFFERS = "Which checkpoint?"
FILES = "Files"
NO_FILES = "The LoRA file appears here at the end, also when you stop early."
FINAL_FILE, CHECKPOINT_FILE = "LoRA of the whole run", "LoRA of a checkpoint"
CHECKPOINTS = "Checkpoints"
CHECKPOINTS_HELP = "Choose a step to get its LoRA as a file."
MAKE_FILE, MAKING_FILE = "Export", "Exporting…"
EXPORT_FAILED = "The export came to nothing. {text}"
CONTAINER, DTYPE = "Format", "Numbers"
CONTAINERS = {"": "As set", "kohya": "kohya (every tool)", "diffusers": "diffusers"}
DTYPES = {"": "As set", "fp16": "fp16", "bf16": "bf16", "fp32": "fp32"}
LOG = "Log"
DOWNLOAD = "Download"
LAST_LINES = "The last lines of the log:"
PROGRESS = "Progress"
BEFORE, AT_STEP = "before", "step {step}"
STEP_OF = "step {step} of {steps}"
PICTURE_ALT = "Test picture, {step}, {prompt}"
FACT_STEP, FACT_LOSS, FACT_MEMORY, FACT_IMAGES = "step", "loss", "memory", "images"
FACT_VALIDATION = "validation loss"

STATES = {
    "waiting": "waiting",
    "starting": "starting",
    "loading": "getting ready",
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
WORK = {
    "start": "Starting",
    "model": "Loading the model",
    "class": "Drawing regularization images",
    "latents": "Preparing images",
    "text": "Reading captions",
    "validation": "Measuring the validation loss",
    "by_heart": "Looking whether the images are learnt by heart",
    "samples": "Making test pictures",
    "save": "Saving a checkpoint",
    "export": "Writing the LoRA file",
}
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
CHANGE_SETTINGS = "Change settings"
FINISHED_IN = "Finished in {time}."
STARTED_FROM = "Started from step {step} of {name}."
STOPPED_AT = "Stopped at step {step}. The LoRA so far is kept; Resume goes on from here."
FAILED_AT = "Failed at step {step}. {text}"
INTERRUPTED_AT = "{name} stopped unexpectedly at step {step}. Resume goes on from the last checkpoint."
NEVER_STARTED = "The trainer ended before it said a word."
STARTING = "The trainer is starting; this takes a few seconds."
STOPPING_STEP = "Stopping after this step…"
STOPPING_FIRST = "Stopping as soon as this is done…"
STOPPING_NOW = "Stopped; the progress so far is being saved."
IS_TRAINING = "{name} is training."
IS_TRAINING_FIX = "Stop it or wait for its end."

# ---- the queue

MOVE_UP, MOVE_DOWN, REMOVE = "Move up", "Move down", "Remove from the queue"
WAITS_NEXT = "Next in the queue: starts by itself when {name} has ended."
WAITS_AT = "Place {place} in the queue: starts by itself."
WAITS_ALONE = "Starts in a moment."
ADDED_TO_QUEUE = "{name} is in the queue and starts by itself."
ADD_TO_QUEUE = "Add to queue"
WILL_WAIT = "{name} is training; this run starts by itself afterwards."
NOT_WAITING = "This run does not wait any more."
RESUME_LATER = "Resume after this"
QUEUE_FAILED = "The trainer can't be started ({reason})."

# ---- asking once

STOP_QUESTION = "Stop and keep the progress so far?"
STOP_ANSWER = "The LoRA is written after this step. Resume goes on from there."
YES_STOP, GO_ON = "Stop", "Go on training"

# ---- what went wrong

WHAT_HAPPENED, WHY, TRY_THIS, DETAILS = "What happened", "Why", "Try this", "Technical details"
WHY_KILLED = "The process was ended from outside: by the system (often when memory runs out), or with the computer."
TRY_RESUME = "Press Resume: it goes on from step {step}."
TRY_RESUME_START = "Press Resume: no checkpoint was saved yet, so it begins again."
TRY_CHANGE = (
    "Press Change settings to go on from step {step} with other settings. "
    "Resume goes on from there with the same ones: that helps where the cause lay outside, such as a full disk."
)
TRY_CHANGE_START = (
    "No checkpoint was saved, so the run begins again: press Change settings to begin with other settings, "
    "or Resume to begin with the same ones where the cause lay outside, such as a full disk."
)
TRY_LESS_MEMORY = "If it happens again, close other programs or lower the resolution."
WHY_NEVER = "Its last words are in the details."
TRY_LOG = "Read the details, mend what they name and press Resume."
COPY, COPIED = "Copy", "Copied"

# ---- test pictures

SHOW_ALL = "Show all steps"
MORE_COMES = "More pictures are being prepared…"
CLOSE, EARLIER, LATER, COMPARE_WITH = "Close", "Previous picture", "Next picture", "Compare with the first"
SLIDER = "Before and now"
LARGE = "Test picture, large"
STRENGTH_TITLE = "Strength"
STRENGTH_HELP = "Draws the test prompts again with the newest checkpoint."
STRENGTH_LABEL = "Strength of the LoRA"
DRAW_AGAIN = "Draw"
NO_CHECKPOINT = "There is no checkpoint yet. Press Save now, or wait for the first."
STRENGTH_CAPTION = "strength {strength}, {step}"
DRAW_STATES = {
    "waiting": "Waits until {name} has ended.",
    "next": "Starts in a moment.",
    "running": "Drawing: {done} of {of}",
    "failed": "The pictures could not be drawn. {text}",
}

# ---- keys, and a page without its server

KEYS_TITLE = "Keys"
KEYS = {
    "1": "Images, Settings, Runs, Compare",
    "s": "Test picture now",
    "slash": "Search the settings",
    "start": "Start training",
    "arrows": "Previous and next picture",
    "enter": "From an image into its caption; Esc leads back",
    "next": "Save the caption and go on to the next image",
    "esc": "Close",
    "help": "This list",
}
KEYS_SWITCH = "Single letters and digits act as keys"
NOT_CONNECTED = "Not connected — training is not affected. Trying again…"
DRAWING_NOW = "Drawing pictures: {done} of {of}"

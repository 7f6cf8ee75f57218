"""The Runs tab."""

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
PROGRESS = "Progress"
BEFORE, AT_STEP = "before", "step {step}"
STEP_OF = "step {step} of {steps}"
PICTURE_ALT = "Test picture, {step}, {prompt}"
FACT_STEP, FACT_LOSS, FACT_MEMORY, FACT_IMAGES = "step", "loss", "memory", "images"

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
IS_TRAINING = "{name} is training."
IS_TRAINING_FIX = "Stop it or wait for its end."

"""The Settings tab."""

from sdlora.settings import all_settings

# By setting, as they are declared; other languages have them all here.
LABELS = {info.key: info.label for info in all_settings() if info.on_page}
HELP = {info.key: info.page_help or info.help for info in all_settings()}
HINTS = {info.key: info.hint for info in all_settings() if info.hint}
ONE_PER_LINE = "One per line."
PAIR_PER_LINE = "One PATTERN=NUMBER per line."

GROUP_WHAT = "What"
GROUP_IMAGES = "Images"
GROUP_ADAPTER = "Adapter"
GROUP_TRAINING = "Training"
GROUP_MEMORY = "Memory"
GROUP_TEST = "Test pictures"
GROUP_SAVING = "Saving"
STRENGTH = "Strength alpha / rank"
PARAMETERS = "parameters"
FILE_SIZE = "file"
CHECKS = "Checks"
ALL_GOOD = "Everything is in order."
CHECK_AGAIN = "Check again"
START = "Start training"
NOT_HERE_YET = "The base model {base} is not on this computer yet."
NOT_HERE_FIX = "Download it with the button below; it is kept for later runs."
DOWNLOAD_BASE = "Download the base model"
DOWNLOADING = "Downloading {base}"
DOWNLOAD_FAR = ": {done} of {of}"
DOWNLOADED = "{base} is on this computer now."
DOWNLOAD_SILENT = "The download ended without a word; try again, it goes on where it was."
NOT_STARTED = "Not started: mend what the checks list."
FATAL, WARNING = "Problem", "Note"
AND_MORE = "and {count} more."
ODD_PATH = "{key} is no path that a disk can have."
ODD_PATH_FIX = "Write the path of a file or a folder."
PATH_OUTSIDE = "{key} leads out of the folders that this page may use."
PATH_OUTSIDE_FIX = "Use something inside {roots}."
NUMBER_EMPTY = "{key} is empty."
NUMBER_EMPTY_FIX = "Write a number."
NO_PAIR = "“{line}” is not PATTERN=NUMBER."
NO_PAIR_FIX = "Write a pattern of layer names, an equals sign and a number."

GOES_ON_FROM = "Goes on from {name}, step {step}, with the settings below."
AFRESH = "Begin from the start instead"
TRAINED_ON = "What will be trained on"
CHOOSE_OTHERS = "Choose other images"

# ---- presets

PRESET = "Preset"
PRESET_KINDS = {"character": "Character", "style": "Style", "object": "Object", "embedded": "Embedded base"}
MEMORY = "GPU memory"
MEMORY_SIZES = {"6": "6 GB", "8": "8 GB", "12": "12 GB", "24": "24 GB"}
PRESET_CHOOSE = "Choose what you want to teach."
PRESET_LOADED = "Filled in from “{name}”. Your folder, name, trigger word and test prompts stay."
PRESET_OTHER = "“{name}” is made for another kind of base model than {base}."
PRESET_OTHER_FIX = "Choose another preset, or look over resolution and learning rate."
GPU_SUGGESTS = "This computer has an {gpu} with {size}: the presets for {memory} GB fit."
GPU_SMALL = "This computer has an {gpu} with {size}, less than the presets need. The embedded base trains anywhere."
GPU_NONE = "No NVIDIA GPU was found. The embedded base trains on any computer; real models want a GPU of 6 GB or more."

# ---- all settings

ALL_SETTINGS = "All settings"
SEARCH_SETTINGS = "Search settings"
SEARCH_SETTINGS_HINT = "Press / to search; other trainers' names are found too: network_dim"
NO_SUCH_SETTING = "No setting fits. Clear the search to see them all."
CHANGED = "changed"
RESET = "Back to"
EMPTY = "empty"
FIELD_SLIDER = "slider"

# ---- estimate

ESTIMATE = "This run"
NO_ESTIMATE = "How long it takes is told here once there are images and a base model."
EPOCH = "{images} = {steps} steps per epoch."
BATCHES = "{images} ÷ {batch} = {exact}, so {batches} batches per epoch: the last of them are not full."
BATCHES_OF_SHAPES = "{images} in {shapes} shapes, and a batch holds one shape: {sum} = {batches} batches per epoch."
BATCHES_LOST_ONE = "Of one shape they would make {full}: the shapes cost {count} batch."
BATCHES_LOST_MANY = "Of one shape they would make {full}: the shapes cost {count} batches."
BATCHES_ONE, BATCHES_MANY = "{count} batch", "{count} batches"
HELD_OUT_ONE = "{count} of {all} images is held out of training, to measure on."
HELD_OUT_MANY = "{count} of {all} images are held out of training, to measure on."
EPOCHS = "{steps} steps = {epochs} epochs."
BRIEF_FATAL_ONE, BRIEF_FATAL_MANY = "{count} problem", "{count} problems"
BRIEF_TIME = "About {time}."
MEASURE = "Measure one step"
MEASURING = "Measuring a step…"
MEASURE_HELP = "Takes a few steps on this computer and tells time and memory."
MEASURE_BUSY = "{name} is training; measure a step when it has ended."
PROBE_SAYS = "About {time} on {device} ({pace}), test pictures not counted. A step takes {peak}; {free} were free."
PROBE_STALE = (
    "Measured with other settings: about {time} on {device} ({pace}), {peak} of memory. Measure again for these."
)
PROBE_FAILED = "The step could not be measured. {reason}"
PROBE_SILENT = "The trainer ended without a word, most likely for lack of memory."

# ---- settings in a file

SETTINGS_FILE = "Settings as a file"
SETTINGS_FILE_HELP = (
    "Load a settings file (also kohya's, kohya_ss' or OneTrainer's), or a finished LoRA to train with its settings; "
    "or drop it here."
)
SAVE_SETTINGS = "Save"
LOAD_SETTINGS = "Load"
PASTE_SETTINGS = "Paste settings"
PASTE_HINT = "[train]\nsteps = 1200"
USE_PASTED = "Use this text"
PASTED = "the text"
LOADED = "Loaded the settings of {name}."
LOADED_BUT = "What could not be read has its default: {problems}"
ONLY_NAMES = "The file has only the last part of some paths. Look over {fields}."
RESTORED = "Your settings are as you left them."
TOO_LONG = "{name} is too long to be settings."
NOT_TEXT = "{name} can't be read as text."
NO_TOML = "{name} is not valid TOML ({reason})."
NO_SETTINGS = "{name} holds no settings of this trainer."
NO_LORA_FILE = "{name} is not a safetensors file that can be read."
LORA_WITHOUT = "{name} holds no settings: it was made by another trainer, or saved without them."

# ---- base models on this computer

FIND_BASES = "Choose a model on this computer"
BASES_TITLE = "Base models on this computer"
BASES_LOOKING = "Looking in the folders of your drawing programs…"
BASES_SEARCH = "Search by name, family or folder"
BASE_EMBEDDED = "Embedded (tiny)"
BASES_NONE = "No base model was found in {count} folders."
BASES_PICKLED_ONE = "1 pickled file (.ckpt, .bin) is left out: such files can run code when opened."
BASES_PICKLED_MANY = "{count} pickled files (.ckpt, .bin) are left out: such files can run code when opened."
BASES_CUT = "There is more than one look can see."
BASES_NOT_HERE = "No other folder can be looked in here."
LOOK_IN = "Also look in"
LOOK_IN_HELP = "A folder with .safetensors checkpoints or diffusers folders; remembered."
LOOK_THERE = "Look there"

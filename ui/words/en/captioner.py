"""The captioner of the Images tab."""

CAPTIONER = "Captions by a model"
CAPTIONER_HELP = "A model on this computer looks at each picture and writes what it sees. Undo takes all of it back."
CAPTIONER_WITH = "Model"
CAPTIONERS = {
    "server": "Server (Ollama, LM Studio, vLLM)",
    "tagger": "WD tagger",
    "florence": "Florence-2",
    "blip": "BLIP",
    "qwen": "Qwen-VL",
}
CAPTIONER_MODEL, CAPTIONER_MODEL_HINT = "Which one", "/models/Florence-2-base, or a server's name: qwen2.5vl:7b"
CAPTIONER_SERVER = "Address of the server"
CAPTIONER_MODE = "Images that have a caption"
CAPTIONER_MODES = {"skip": "stay as they are", "append": "get it added", "replace": "get a new one"}
CAPTIONER_IMAGES = "For"
CAPTIONER_WHICH = {"shown": "all images that the filter shows", "chosen": "the image in the editor"}
CAPTIONER_MORE = "More"
CAPTIONER_PROMPT, CAPTIONER_PROMPT_HINT = "What it is asked", "empty for what usually works"
CAPTIONER_WITHOUT, CAPTIONER_WITHOUT_HINT = "Leave out", "tags or words with commas: solo, the image shows"
CAPTIONER_LEAST = "Least probability of a tag (0 to 1)"
CAPTIONER_REVISION = "Commit, for a model on the hub"
CAPTIONER_START, CAPTIONER_STOP, CAPTIONER_GO_ON = "Write captions", "Stop writing", "Go on where it was"
CAPTIONER_BEGINS = "Getting the model ready."
CAPTIONER_FAR = "{done} of {of} images"
CAPTIONER_BUSY = "Captions of another folder are being written. Wait for their end, or stop them there."
CAPTIONER_STOPPED = "Stopped; what has come is written, and Undo takes it back."
CAPTIONER_FAILED = "It came to no end: {reason}"
CAPTIONER_NO_IMAGE = "No image is chosen."
CAPTIONER_UNKNOWN = "This is not a way to write captions. Reload the page."
CAPTIONER_NEEDS_MODEL = "Type the folder of the model, or its id on the hub and the commit."
CAPTIONER_NOT_LOCAL = (
    "The page sends pictures to this computer alone. For another server: sdlora caption FOLDER --server ADDRESS"
)
CAPTIONER_THRESHOLD = "The least probability is a number from 0 to 1."

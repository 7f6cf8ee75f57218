"""What stands on every tab, numbers, the server."""

TITLE = "SD LoRA Trainer"
SUBTITLE = "Teach Stable Diffusion a style or a subject from a folder of captioned images."

TAB_IMAGES = "1  Images"
TAB_SETTINGS = "2  Settings"
TAB_RUNS = "3  Runs"

NOTHING_RUNNING = "Nothing is running."
CLOSE_ANYTIME = "You can close this page; training goes on."
CLOSE_MESSAGE = "Close this message"
COMMA = ", "

LANGUAGE, LANGUAGE_BROWSER = "Language", "as the browser"

# ---- dates and numbers

MOMENT = "{day} {month} {time}"
MONTHS = {
    "1": "Jan", "2": "Feb", "3": "Mar", "4": "Apr", "5": "May", "6": "Jun",
    "7": "Jul", "8": "Aug", "9": "Sep", "10": "Oct", "11": "Nov", "12": "Dec",
}  # fmt: skip

UNDER_A_SECOND = "under 1 s"
SECONDS = "{seconds} s"
MINUTES = "{minutes} min"
HOURS = "{hours} h {minutes} min"
TIME_LEFT = "about {time} left"
PACE_SLOW = "{seconds} s per step"
PACE_FAST = "{steps} steps per second"

# ---- the server (said in the terminal, in English)

LISTEN_NEEDS_PASSWORD = (
    "--listen opens the page to your network, so it needs a password. "
    "Set the environment variable SDLORA_PASSWORD (at least 8 characters) and start again; the user name is sdlora."
)
PORT_TAKEN = (
    "Port {port} is in use, perhaps by this page already. Open http://127.0.0.1:{port} or start with --port {other}."
)
SERVING = "The page is at {url}  (Ctrl-C ends the page; a run goes on)"
WRONG_PASSWORD = "{time} Wrong password from {address} ({count} in a row)."
RUNS_NOT_WRITABLE = "The runs folder {path} can't be written ({reason})."
RUNS_NOT_WRITABLE_FIX = "Choose another with --runs."

# ---- what the server refuses (said to programs, in English)

FOREIGN_SITE = "Another web site asked for this; only the page itself may."
NO_LENGTH = "The request does not say how long it is (Content-Length)."
TOO_LONG_A_REQUEST = "The request is too long."
NO_ROOM_FOR_UPLOAD = "There is no room for this upload: too much was uploaded, or the disk is nearly full."
TOO_MANY_PASSWORDS = "Too many wrong passwords: wait half a minute and try again."

# ---- calls of scripts (docs/api.md)

API_TOO_LONG = "The settings are longer than {limit} characters."
API_NOT_TOML = "The settings are not TOML ({reason})."

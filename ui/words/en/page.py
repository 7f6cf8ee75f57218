"""What stands on every tab, numbers, the server."""

TITLE = "SD LoRA Trainer"
SUBTITLE = "Teach Stable Diffusion a style or a subject from a folder of captioned images."

TAB_IMAGES = "1  Images"
TAB_SETTINGS = "2  Settings"
TAB_RUNS = "3  Runs"

NOTHING_RUNNING = "Nothing is running."
CLOSE_ANYTIME = "You can close this page; training goes on."
COMMA = ", "

# ---- numbers

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
RUNS_NOT_WRITABLE = "The runs folder {path} can't be written ({reason})."
RUNS_NOT_WRITABLE_FIX = "Choose another with --runs."

# ---- calls of scripts (docs/api.md)

API_TOO_LONG = "The settings are longer than {limit} characters."
API_NOT_TOML = "The settings are not TOML ({reason})."

"""``launch.py update``: the newest sdlora, by git where it came by git; then the packages that it needs."""

import shutil
import subprocess
import sys

from launcher import ROOT, Stop
from launcher.inuse import refuse_if_in_use
from launcher.page import run


def update(options) -> int:
    """The exit code. Stop: no git, changes of one's own in the way, no network, or sdlora is running."""
    refuse_if_in_use(ROOT / ".venv")
    if not (ROOT / ".git").exists():
        raise Stop("This folder was not made by git: unpack the new archive over it and start; .venv and runs stay.")
    if shutil.which("git") is None:
        raise Stop("git is not installed, which updates this folder: install it from git-scm.com.")
    pull = ["git", "-C", str(ROOT), "pull", "--ff-only"]
    done = subprocess.run(pull, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode:
        raise Stop(explain_pull(text))
    print(text.splitlines()[-1] if text else "", flush=True)
    return run([sys.executable, str(ROOT / "launch.py"), "install"])  # the new launch.py, not this one


def explain_pull(text: str) -> str:
    """git's output as one sentence with the fix."""
    if "would be overwritten" in text or "unstaged changes" in text:
        return "Files of sdlora were changed in this folder: keep your changes with `git stash`, then update again."
    if "Not possible to fast-forward" in text or "divergent" in text:
        return "This folder has commits of its own: bring them together with `git pull --rebase`."
    if "no tracking information" in text or "No remote" in text or "not currently on a branch" in text:
        return "git knows no source for this folder's branch: clone sdlora anew, or set one with `git branch -u`."
    network = ("Could not resolve host", "unable to access", "Connection", "timed out", "Could not read from remote")
    if any(sign in text for sign in network):
        return "The source of sdlora can't be reached: check the network (behind a proxy set HTTPS_PROXY)."
    return f"git could not update this folder ({(text.splitlines() or ['no message'])[-1]})."

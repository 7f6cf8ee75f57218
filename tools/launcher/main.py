"""The command line of launch.py."""

import argparse
import contextlib
import signal
import sys

from launcher import ROOT, Stop
from launcher.doctor import diagnose
from launcher.install import Installer
from launcher.packages import explain_failure, tell_foreign
from launcher.page import check_port, read_password, run, serve
from launcher.update import update

COMMANDS = """commands:
  (none)   the page, in the browser
  demo     trains a small LoRA without a page
  test     all tests; what follows goes to pytest
  install  only installs; doctor: what is wrong with the installation; update: the newest sdlora
  train, check, sample, runs, export ...   sdlora's own, with their arguments"""


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Options up to the first command; everything from there on is the command's."""
    parser = argparse.ArgumentParser(
        prog="python launch.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Installs sdlora into .venv, once, and starts it.",
        epilog=COMMANDS,
    )
    flag = {"action": "store_true"}
    parser.add_argument("--port", type=int, default=7878, help="port of the page (%(default)s)")
    parser.add_argument("--no-browser", help="don't open the browser", **flag)
    parser.add_argument("--listen", help="let other computers in; needs a password", **flag)
    parser.add_argument("--password-file", metavar="FILE", default="", help="its first line; else SDLORA_PASSWORD")
    parser.add_argument("--cpu", help="the CPU build of PyTorch, even with an NVIDIA GPU", **flag)
    parser.add_argument("--torch-index", metavar="URL", default="", help="an index with another build of PyTorch")
    parser.add_argument("--no-cuda", help="refuse the big CUDA build where no CPU build is to be had", **flag)
    parser.add_argument("--allow-cuda", help=argparse.SUPPRESS, **flag)  # is so now; said by older notes
    parser.add_argument("--reinstall", help="make .venv anew", **flag)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="none for the page, or one of those below")
    options = parser.parse_args(arguments)
    if not 1 <= options.port <= 65535:
        parser.error("--port must be from 1 to 65535")
    if options.cpu and options.torch_index:
        parser.error("--cpu and --torch-index exclude each other")
    return options


def start(options: argparse.Namespace) -> int:
    installer = Installer(options)
    tell_foreign()
    if not options.command:
        password = read_password(options.listen, options.password_file)
        check_port(options.port, "0.0.0.0" if options.listen else "127.0.0.1")
        installer.ensure([])
        installer.hold()
        return serve(installer.python, options.port, options.listen, password, not options.no_browser)
    name, *rest = options.command
    if name == "doctor" and not rest:  # with a folder it is sdlora's own, of pictures
        return diagnose(options, options.port)
    if name == "update" and not rest:
        return update(options)
    if name == "install" and not rest:
        installer.ensure([])
        return 0
    if name == "test":
        installer.ensure(["test"])
        installer.hold()
        # All tests side by side, one process for each core; those that share a model stay together.
        return run([installer.python, "-m", "pytest", *(rest or ["-n", "logical", "--dist", "loadfile"])], ROOT)
    installer.ensure([])
    installer.hold()
    return run([installer.python, "-m", "sdlora", name, *rest], ROOT if name == "demo" else None)


def main(arguments: list[str]) -> int:
    """The exit code; what goes wrong is one sentence on stderr."""
    options = read_options(arguments)
    with contextlib.suppress(ValueError):  # outside the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return start(options)
    except Stop as sentence:
        print(sentence, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    except OSError as error:
        print(explain_failure(str(error)), file=sys.stderr)
    return 1

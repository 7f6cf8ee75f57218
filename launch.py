"""The one command: installs sdlora into .venv, once, and starts it. Needs nothing but Python.

    python launch.py                the page, in the browser
    python launch.py demo           trains a small LoRA without a page
    python launch.py test           all tests
    python launch.py train ...      any command of sdlora; see also: python launch.py --help

This file must parse on the old Pythons that it turns away (2.7, 3.6): no f-strings, no annotations, ASCII only.
The work is done in tools/launcher/.
"""

import os
import sys


def wrong_python(version, bits):
    """Why this Python can't run sdlora, in one sentence; empty if it can. bits: 32 or 64."""
    if (3, 10) <= tuple(version[:2]) <= (3, 13) and bits == 64:
        return ""
    return (
        "sdlora needs a 64-bit Python 3.10 to 3.13 and this is {}.{} ({}-bit): install Python 3.12 from python.org "
        'and start with "python3.12 launch.py" (Windows: "py -3.12 launch.py").'
    ).format(version[0], version[1], bits)


if __name__ == "__main__":
    unusable = wrong_python(sys.version_info, 64 if sys.maxsize > 2**32 else 32)
    if unusable:
        sys.exit(unusable)
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools"))
    from launcher.main import main

    sys.exit(main(sys.argv[1:]))

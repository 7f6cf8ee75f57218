"""What picture libraries write past Python about an odd picture is kept off the terminal and the logs. No torch.

Whether a picture can be used is said in one sentence with its name; "LZWDecode: Not enough data at scanline 0" is not.
"""

import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LIBTIFFS = re.compile(rb"([\w.]+: )?.*\.\s*")  # its own handler ends each line so: "Fax4Decode: Bad code word …."
_ALONE = threading.Lock()  # standard error is one for all threads

warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # "Corrupt EXIF data", "Truncated File Read"
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Python prints what nobody asked for


@contextmanager
def libtiff_quiet() -> Iterator[None]:
    """For the time in which libtiff decodes; what another thread writes meanwhile comes a moment later."""
    with _ALONE:
        try:
            kept = os.dup(2)
        except OSError:  # started without a standard error, as Windows' pythonw does
            yield
            return
        try:
            with tempfile.TemporaryFile() as heard:
                if sys.stderr:
                    sys.stderr.flush()
                os.dup2(heard.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(kept, 2)
                    heard.seek(0)
                    for line in heard:
                        if not LIBTIFFS.fullmatch(line):
                            os.write(2, line)
        finally:
            os.close(kept)

"""What a file is that is not what it should be: by its first bytes, and by its tensors' names. No torch.

Half of all "damaged" safetensors files are whole files of another kind under that name.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from sdlora.files.regular import read_regular
from sdlora.messages import say

PICKLE = say("modelfiles.bytes_pickle")
LFS = say("modelfiles.bytes_git_lfs_pointer")
PAGE = say("modelfiles.bytes_web_page")
GGUF = say("modelfiles.bytes_gguf")
ANSWER = say("modelfiles.bytes_json")
TEXT = say("modelfiles.bytes_text")
ARCHIVE = say("modelfiles.bytes_archive")
PICTURE = say("modelfiles.bytes_picture")
FIXES: dict[str, str] = {
    PICKLE: say("modelfiles.convert_pickled_lora"),
    LFS: say("modelfiles.fetch_with_git_lfs"),
    PAGE: say("modelfiles.download_in_browser"),
    GGUF: say("modelfiles.choose_fp16_safetensors"),
    ANSWER: say("modelfiles.download_in_browser"),
    TEXT: say("modelfiles.download_in_browser"),
    ARCHIVE: say("modelfiles.unpack_and_choose"),
    PICTURE: say("modelfiles.choose_neighbour"),
}


# In names of a LoRA file's tensors, of whatever kind
OF_LORAS = re.compile(r"[._](lora|hada|lokr|oft|dora)_|^(lora|lycoris)_(?!controlnet)|\.(alpha|diff)\b|[:.](up|down)\b")
_LONGEST = 100_000_000  # bytes of header that safetensors accepts


def told_by_first_bytes(path: Path | str) -> str:
    """What completes "<name> …": one of the words above, a key of ``FIXES``; "" if the first bytes tell nothing.

    For files that could not be read as safetensors: the first bytes of a good one are its header's length, which can
    be any number up to ``_LONGEST``. OSError if it can't be opened.
    """
    start = read_regular(path, 512)
    if start.startswith((b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")):
        return ARCHIVE
    if int.from_bytes(start[:8], "little") <= _LONGEST and not start.startswith(b"PK\x03\x04"):
        return ""  # a length: a torn safetensors file
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    named = int.from_bytes(start[26:28], "little")  # torch's first entry is data.pkl, in a folder
    if start.startswith(b"PK\x03\x04") and named and not start[30 : 30 + named].endswith(b"data.pkl"):
        return ARCHIVE
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")):
        return PICTURE
    if start.startswith(b"PK\x03\x04") or re.match(rb"\x80[\x02-\x05]", start):
        return PICKLE
    if start.startswith(b"GGUF"):
        return GGUF
    if is_lfs_pointer(text):
        return LFS
    if text.startswith(b"<"):
        return PAGE
    if re.match(rb"\{\s*\"", text):
        return ANSWER
    return TEXT if len(start) < 512 and re.fullmatch(rb"[\t\n\r -~]{8,}", start) else ""


def is_lfs_pointer(start: bytes) -> bool:
    """Are these the first bytes of what git leaves where a large file was not fetched?"""
    return start.startswith(b"version https://git-lfs")


def is_page(start: bytes) -> bool:
    """Are these the first bytes of a web page?"""
    return (
        re.match(rb"\s*<(!doctype\s+html|html|head)\b", start.removeprefix(b"\xef\xbb\xbf"), re.IGNORECASE) is not None
    )


# Words in the names of tensors -> what such a file is. The first that fits any name tells.
_CONTENTS = (
    (r"^(ip_adapter|image_proj)\.", say("modelfiles.is_ip_adapter")),
    (r"^control_model\.|^controlnet_(cond_embedding|down_blocks|mid_block)|^input_hint_block\.|^lllite_|^lora_controlnet",
     say("modelfiles.is_controlnet")),
    (r"^adapter\.body\.|^body\.\d+\.block\d", say("lorafiles.contents_t2i_adapter")),
    (r"motion_modules\.", say("modelfiles.is_motion_module")),
    (r"^(emb_params|string_to_param(\.\*)?|string_to_token(\.\*)?|clip_[lg]|<[^<>]+>)$",
     say("modelfiles.is_textual_inversion")),
    (r"^(first_stage_model\.|vae\.)?(encoder|decoder)\.(conv_in|conv_out|down|up|mid)\b",
     say("lorafiles.contents_vae")),
    (r"^(vision_model|visual)\.", say("lorafiles.contents_image_encoder")),
    (r"^(text_model|transformer\.resblocks)\.", say("lorafiles.contents_text_encoder")),
)  # fmt: skip


def told_by_names(names: Iterable[str]) -> str:
    """ "a VAE", "a ControlNet", "an IP-Adapter", "a textual inversion embedding" …; "" if none of these."""
    names = list(names)
    if any(name.startswith(("model.diffusion_model.", "unet.")) for name in names):
        return ""  # a whole model, which has a VAE too
    for pattern, what in _CONTENTS:
        expression = re.compile(pattern)
        if any(expression.search(name) for name in names):
            return what
    return ""

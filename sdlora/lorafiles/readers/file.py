"""A LoRA file as ``toolrules`` judges it: keys, shapes and alphas, in any container; the numbers are not read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdlora.errors import UserError, explain
from sdlora.lorafiles.stream import not_safetensors
from sdlora.messages import say


@dataclass
class Module:
    """The tensors of one layer, under one stem. parts: leaf ("lora_down.weight") -> shape; alpha: its value or None.

    keys: leaf -> the key as the file has it.
    """

    stem: str
    parts: dict[str, tuple[int, ...]] = field(default_factory=dict)
    alpha: float | None = None
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its first key that is not alpha's."""
        return self.key_of(min(self.parts, key=lambda part: part == "alpha"))

    def key_of(self, leaf: str) -> str:
        """The full key that ends in ``leaf``."""
        return self.keys.get(leaf) or (f"{self.stem}.{leaf}" if leaf else self.stem)

    @property
    def flat(self) -> bool:
        """Of the kohya container: no dots in the stem."""
        return self.stem.startswith(("lora_", "lycoris_"))

    @property
    def pair(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Shapes of (down, up), whatever they are called."""
        for down, up in PAIRS:
            if down in self.parts and up in self.parts:
                return self.parts[down], self.parts[up]
        return None

    @property
    def rank(self) -> int:
        """The inner size of its two factors."""
        pair = self.pair
        assert pair  # asked only of what has both factors
        return pair[0][0]

    def has(self, *starts: str) -> bool:
        """Does any of its keys' endings begin with one of these?"""
        return any(leaf.startswith(starts) for leaf in self.parts)


PAIRS = (
    ("lora_down.weight", "lora_up.weight"),
    ("lora_A.weight", "lora_B.weight"),
    ("lora.down.weight", "lora.up.weight"),
    ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
)


@dataclass
class File:
    """The layers of a LoRA file. modules: by stem; metadata: the file's own."""

    modules: dict[str, Module]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def loras(self) -> list[Module]:
        """Without bundled embeddings, which are no layers."""
        return [m for m in self.modules.values() if not m.stem.startswith("bundle_emb")]


# ---- reading

# In dotted stems, the longest first
_LEAVES = (
    ".lora_linear_layer.down.weight",
    ".lora_linear_layer.up.weight",
    ".lora_magnitude_vector.weight",
    ".lora_magnitude_vector",
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora.down.weight",
    ".lora.up.weight",
    "_lora.down.weight",
    "_lora.up.weight",
    ".lora_A.weight",
    ".lora_B.weight",
    ".lora_B.bias",
    ".dora_scale",
    ".alpha",
    *(
        f".{leaf}"
        for leaf in ("scalar", "w_norm", "b_norm", "diff", "diff_b", "bias_indices", "bias_values", "bias_size")
    ),
)


def read_shapes(file: Path | str | Mapping[str, Tensor]) -> File:
    """The file at a path, or tensors by key, as a File. UserError if it can't be read."""
    if isinstance(file, Mapping):
        return _grouped({key: tuple(t.shape) for key, t in file.items()}, lambda key: float(file[key]), {})
    path = Path(file)
    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            shapes = {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
            return _grouped(shapes, lambda key: float(opened.get_tensor(key)), opened.metadata() or {})
    except FileNotFoundError:
        raise UserError(
            say("settings.lora_file_missing", path=path), fix=say("files.check_path"), where=str(path)
        ) from None
    except PermissionError as error:
        raise explain(error) from error
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        if path.is_file() and (other := not_safetensors(path)):
            raise other from None
        reason = str(error).splitlines()[0][:150]
        what = say("lorafiles.not_readable", file=path.name, reason=reason)
        raise UserError(what, fix=say("lorafiles.get_again"), where=str(path)) from None


def _grouped(shapes: Mapping[str, tuple[int, ...]], value: Callable, metadata: Mapping[str, str]) -> File:
    modules: dict[str, Module] = {}
    for key, shape in shapes.items():
        stem, leaf = _split(key)
        module = modules.setdefault(stem, Module(stem))
        if leaf == "alpha" and max(shape, default=1) == 1:
            module.alpha = value(key)
        module.parts[leaf] = shape
        module.keys[leaf] = key
    return File(modules, metadata)


def _split(key: str) -> tuple[str, str]:
    """(stem, leaf) of a key. A kohya stem ends at the first dot; others have dots of their own."""
    if key.startswith(("lora_", "lycoris_")) and "." in key:
        stem, _, leaf = key.partition(".")
        return stem, leaf
    end = next((leaf for leaf in _LEAVES if key.endswith(leaf)), "")
    return (key.removesuffix(end), end[1:]) if end else (key, "")

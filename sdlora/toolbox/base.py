"""The weights of a base model by canonical layer name, in a diffusers folder or a single file, without reading them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sdlora.errors import UserError
from sdlora.families.table import Evidence, is_denoiser, prefixes, roots, tell
from sdlora.lorafiles.keys import canonical_of
from sdlora.lorafiles.stream import Spec, TensorFile, is_safetensors
from sdlora.messages import say

_PICKLED = (".ckpt", ".pt", ".pth", ".bin")

# What an OpenCLIP text encoder's keys are in the original layout, behind its prefix
_OPEN = re.compile(
    r"transformer\.resblocks\.(\d+)\.(attn\.in_proj|attn\.out_proj|mlp\.c_fc|mlp\.c_proj|ln_1|ln_2)[._](weight|bias)",
    flags=re.ASCII,
)
_OPEN_NAMES = {
    "attn.in_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),  # one above the other
    "attn.out_proj": ("self_attn.out_proj",),
    "mlp.c_fc": ("mlp.fc1",),
    "mlp.c_proj": ("mlp.fc2",),
    "ln_1": ("layer_norm1",),
    "ln_2": ("layer_norm2",),
}
_OPEN_REST = ("ln_final.weight", "ln_final.bias", "text_projection")


@dataclass(frozen=True)
class WeightPlace:
    """Where a layer's weight is.

    file: path below the base, "" for a single file. part, of: which share of the tensor's rows. turned: the tensor has
    outputs second, as OpenCLIP's text projection.
    """

    file: str
    key: str
    part: int = 0
    of: int = 1
    turned: bool = False

    def rows(self, count: int) -> slice:
        """The layer's rows of a tensor with ``count``."""
        return slice(count // self.of * self.part, count // self.of * (self.part + 1))


class BaseWeights:
    """A base model's safetensors files, opened lazily.

    path: a diffusers folder or one .safetensors file. files: path below the base -> TensorFile.
    places: canonical layer name -> Place; several copies of the weights (fp16 and fp32) give several places.
    beside: the same by the parameter's name, for norms, biases and the text projection.
    Raises UserError: nothing there, pickled weights, no Stable Diffusion model.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.is_folder = self.path.is_dir()
        if not self.path.exists():
            raise UserError(say("models.base_missing", name=path), fix=say("files.check_path"), where=str(path))
        if self.path.suffix.lower() in _PICKLED:
            raise UserError(
                say("modelfiles.pickled", file=self.path.name),
                fix=say("toolbox.convert_first"),
                where=str(path),
            )
        found = _weight_files(self.path) if self.is_folder else ([""] if is_safetensors(self.path) else [])
        if not found:
            raise UserError(
                say("toolbox.no_weights", file=self.path.name),
                fix=say("toolbox.give_base"),
                where=str(path),
            )
        self.files = {file: TensorFile(self.path / file if file else self.path) for file in found}
        self.places: dict[str, list[WeightPlace]] = {}
        self.beside: dict[str, list[WeightPlace]] = {}
        for file, tensors in self.files.items():
            for name, place in _places(file, tensors):
                self.places.setdefault(name, []).append(place)
            for name, place in _places_beside(file, tensors):
                self.beside.setdefault(name, []).append(place)
        if not any(is_denoiser(name.partition(".")[0]) for name in self.places):
            raise UserError(
                say("toolbox.no_unet", file=self.path.name),
                fix=say("files.check_path"),
                where=str(path),
            )

    def spec(self, name: str) -> Spec:
        """Dtype and shape of a layer's weight."""
        place = self.places[name][0]
        entry = self.files[place.file].entries[place.key]
        return Spec(entry.dtype, (entry.shape[0] // place.of, *entry.shape[1:]))

    def shape_beside(self, name: str) -> tuple[int, ...]:
        """Shape of a parameter in ``beside``, outputs first."""
        place = self.beside[name][0]
        shape = self.files[place.file].entries[place.key].shape
        return shape[::-1] if place.turned else (shape[0] // place.of, *shape[1:])

    def weight(self, name: str) -> Tensor:
        """A layer's weight, a view of the file."""
        place = self.places[name][0]
        tensor = self.files[place.file].tensor(place.key)
        return tensor[place.rows(tensor.shape[0])]

    @property
    def family(self) -> str:
        """The name of its family."""
        return tell(self._evidence())

    def _evidence(self) -> Evidence:
        """What tells the family: the text's width; where that is unknown, text encoders and projections."""
        for name in self.places:
            if name.endswith(".attn2.to_k"):
                yield "text_width", self.spec(name).shape[1]
        yield "text_encoders", 2 if any(name.startswith("text_encoder_2.") for name in self.places) else 1
        projections = [name for name in self.places if name.endswith(".proj_in")]
        linear = projections and len(self.spec(projections[0]).shape) == 2
        yield "projections", "linear" if linear else "convolutions"

    @property
    def quantized(self) -> str:
        """A key that tells that weights are scaled fp8, or ""."""
        endings = (".scale_weight", ".weight_scale", "scaled_fp8", ".comfy_quant")
        return next((key for f in self.files.values() for key in f.entries if key.endswith(endings)), "")


def affected(
    places: Mapping[str, list[WeightPlace]], names: Mapping[str, object]
) -> dict[tuple[str, str], list[tuple[str, WeightPlace]]]:
    """(file, key) -> the layers in it that are among ``names``, with their places."""
    found: dict[tuple[str, str], list[tuple[str, WeightPlace]]] = {}
    for name in names:
        for place in places[name]:
            found.setdefault((place.file, place.key), []).append((name, place))
    return found


def _weight_files(folder: Path) -> list[str]:
    found = []
    for part in (*roots("denoiser"), *roots("text")):
        found += sorted(f"{part}/{path.name}" for path in (folder / part).glob("*") if is_safetensors(path))
    return found


def _places(file: str, tensors: TensorFile) -> Iterator[tuple[str, WeightPlace]]:
    root = file.partition("/")[0]
    for key, entry in tensors.entries.items():
        if len(entry.shape) not in (2, 4):
            continue
        encoder, rest = _open_clip(key)
        if found := _OPEN.fullmatch(rest):
            yield from _open_layer(encoder, found, file, key)
        elif key.endswith(".weight"):
            stem = key.removesuffix(".weight")
            if layer := canonical_of(f"{root}.{stem}" if root else stem):
                yield layer[0], WeightPlace(file, key)


def _open_clip(key: str) -> tuple[str, str]:
    """(root, key behind the prefix) of an OpenCLIP text encoder in the original layout; ("", "") for all else."""
    for root in roots("text"):
        for prefix in prefixes(root, open_clip=True):
            if key.startswith(prefix):
                return root, key.removeprefix(prefix)
    return "", ""


def _open_layer(encoder: str, found: re.Match, file: str, key: str) -> Iterator[tuple[str, WeightPlace]]:
    parts = _OPEN_NAMES[found[2]]
    for i, part in enumerate(parts):
        yield f"{encoder}.text_model.encoder.layers.{found[1]}.{part}", WeightPlace(file, key, i, len(parts))


def _places_beside(file: str, tensors: TensorFile) -> Iterator[tuple[str, WeightPlace]]:
    """Norms, biases and the text projection, by the parameter's canonical name."""
    root = file.partition("/")[0]
    for key, entry in tensors.entries.items():
        encoder, rest = _open_clip(key)
        if found := _OPEN.fullmatch(rest):
            if len(entry.shape) == 1:
                layers = _open_layer(encoder, found, file, key)
                yield from ((f"{name}.{found[3]}", place) for name, place in layers)
        elif rest in _OPEN_REST:
            leaf = rest.partition(".")[2]
            name = f"text_model.final_layer_norm.{leaf}" if leaf else "text_projection.weight"
            yield f"{encoder}.{name}", WeightPlace(file, key, turned=not leaf)
        elif len(entry.shape) == 1 or key.endswith("text_projection.weight"):
            stem, _, leaf = key.rpartition(".")
            layer = canonical_of(f"{root}.{stem}" if root else stem, beside=True)
            if layer and leaf in ("weight", "bias"):
                yield f"{layer[0]}.{leaf}", WeightPlace(file, key)

"""The other file of kohya-ss/sd-scripts, --dataset_config: folders with what holds for each."""

from typing import Any

from sdlora.messages import say


def is_on(value: Any) -> bool:
    """A switch as files hold it: a word, a number or true."""
    return str(value).strip().lower() not in ("", "0", "0.0", "false", "none")


def is_dataset(values: dict[str, Any]) -> bool:
    """The other file of sd-scripts, --dataset_config: [[datasets]] with [[datasets.subsets]]."""
    sets = values.get("datasets")
    return isinstance(sets, list) and any(isinstance(s, dict) and "subsets" in s for s in sets)


def of_datasets(values: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The first folder of a dataset configuration with what holds for it, and the others, which are not taken."""
    subsets = []
    for dataset in values["datasets"] if is_dataset(values) else []:
        subsets_given = dataset.get("subsets") if isinstance(dataset, dict) else None
        shared = {k: v for k, v in dataset.items() if k != "subsets"} if subsets_given else {}
        subsets += (
            [shared | subset for subset in subsets_given if isinstance(subset, dict)]
            if isinstance(subsets_given, list)
            else []
        )
    regular = [subset for subset in subsets if is_on(subset.get("is_reg", False))]
    subsets = [subset for subset in subsets if subset not in regular]
    why_not = say("foreign.because_one_folder_with_repeats")
    left: list[tuple[str, str]] = [(_subset(subset), why_not) for subset in subsets[1:]]
    left += [(_subset(subset), say("foreign.because_one_regularization_folder")) for subset in regular[1:]]
    if regular and regular[0].get("class_tokens"):
        left.append(("class_tokens", say("foreign.because_class_in_captions")))
    beside = {"reg_data_dir": regular[0].get("image_dir")} if regular else {}
    if not subsets:
        return beside, left
    first = {key: value for key, value in subsets[0].items() if key != "is_reg"}
    renamed = {"image_dir": "train_data_dir", "batch_size": "train_batch_size"}
    return beside | {str(renamed.get(key, key)): value for key, value in first.items()}, left


def _subset(subset: dict[str, Any]) -> str:
    return say("foreign.said_subset", name=repr(subset.get("image_dir")))

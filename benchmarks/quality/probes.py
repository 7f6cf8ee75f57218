"""Linear probes: a least-squares classifier on picture features, small enough to ship and to state.

Two are kept beside this file, fitted by make_reference.py on pictures that are
never used to judge with:

* ``probe_style.npz`` tells the judged styles and the taught ones by `style_statistics`,
  that is, by how a picture is drawn, not by what it shows;
* ``probe_mascot.npz`` tells pictures with the mascot from pictures without it by
  `colour_statistics`. Backgrounds alone, and emoji pasted on the same
  backgrounds, are among its examples of "without": a background is not enough.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


@dataclass
class Probe:
    classes: list[str]
    mean: np.ndarray  # (d,)
    spread: np.ndarray  # (d,)
    weights: np.ndarray  # (d, classes)
    bias: np.ndarray  # (classes,)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, classes); the greatest names the class."""
        return (rows - self.mean) / self.spread @ self.weights + self.bias

    def __call__(self, rows: np.ndarray) -> list[str]:
        return [self.classes[i] for i in self.scores(rows).argmax(1)]

    def save(self, path: Path) -> None:
        arrays = {k: getattr(self, k).astype(np.float32) for k in ("mean", "spread", "weights", "bias")}
        np.savez_compressed(path, classes=np.array(self.classes), **arrays)

    @classmethod
    def load(cls, path: Path) -> "Probe":
        with np.load(path, allow_pickle=False) as f:
            return cls(f["classes"].tolist(), f["mean"], f["spread"], f["weights"], f["bias"])


def _weighed(rows: np.ndarray, labels: list[str]) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(classes, index of each row's class, its share, mean, spread), every class weighing the same."""
    classes = sorted(set(labels))
    index = np.array([classes.index(label) for label in labels])
    share = 1 / np.bincount(index)[index] / len(classes)  # sums to 1
    mean = share @ rows
    return classes, index, share, mean, np.sqrt(share @ (rows - mean) ** 2) + 0.01


def fit(rows: np.ndarray, labels: list[str], ridge: float = 0.003) -> Probe:
    """Ridge regression on one-hot classes, every class weighing the same; closed form."""
    classes, index, share, mean, spread = _weighed(rows, labels)
    x = (rows - mean) / spread
    target = np.eye(len(classes))[index]
    bias = share @ target
    gram = (x * share[:, None]).T @ x + ridge * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x * share[:, None]).T @ (target - bias))
    return Probe(classes, mean, spread, weights, bias)


def discriminant(rows: np.ndarray, labels: list[str], ridge: float = 0.03) -> Probe:
    """Fisher's linear discriminant for many classes: Gaussians of one shared covariance, all equally likely.

    Least squares on many classes masks those that lie between others (Hastie et al., Elements of Statistical
    Learning, 4.2); this does not.
    """
    classes, index, share, mean, spread = _weighed(rows, labels)
    x = (rows - mean) / spread
    centres = np.stack([x[index == k].mean(0) for k in range(len(classes))])
    inner = x - centres[index]
    covariance = (inner * share[:, None]).T @ inner + ridge * np.eye(x.shape[1])
    weights = np.linalg.solve(covariance, centres.T)
    return Probe(classes, mean, spread, weights, -0.5 * (centres * weights.T).sum(1))

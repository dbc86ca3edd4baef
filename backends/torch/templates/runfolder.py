"""The folder of a run, with the files of incc train, so that incc's commands take it: eval,
predict, compare, view, compile, gen go and others.
"""

import csv
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

import data
from recipe import Recipe

HERE = Path(__file__).parent
COLUMNS = [
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "seconds",
    "wait_seconds",
]


def write(path: Path, save: Callable[[Path], None]) -> None:
    """Writes a file completely or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save(temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_bytes(path: Path, raw: bytes) -> None:
    """Writes a file with these bytes, completely or not at all."""

    def put(to: Path) -> None:
        to.write_bytes(raw)

    write(path, put)


def save_weights(path: Path, tensors: dict[str, Tensor], recipe: Recipe) -> None:
    """Writes a file of weights under the names of incc."""
    write_bytes(path, save(tensors, {"net": recipe.name}))


def write_results(path: Path, rows: list[list[float]]) -> None:
    """Writes results.csv."""

    def cell(i: int, x: float) -> str:
        if i == 0:
            return str(int(x))
        if i >= 6:
            return f"{x:.3f}"
        return "" if math.isnan(x) else f"{x:.8g}"

    def save(to: Path) -> None:
        with open(to, "w", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(COLUMNS)
            out.writerows([cell(i, x) for i, x in enumerate(row)] for row in rows)

    write(path, save)


def check(folder: Path) -> None:
    """Raises a ValueError if the folder has files that a run would replace."""
    start = folder / "run.json"
    if not start.exists():
        for name in ("spec.incc", "labels.txt", "results.csv", "summary.json"):
            if (folder / name).exists() and not (folder / "checkpoint.pt").exists():
                raise ValueError(
                    f"{folder / name} does not belong to a run, and a run would replace "
                    "it: name another folder with --out"
                )
        return
    try:
        engine = json.loads(start.read_bytes()).get("engine")
    except (ValueError, AttributeError) as err:
        raise ValueError(f"{start} cannot be read: {err}") from err
    if engine != "torch":
        raise ValueError(
            f"{folder} holds a run of incc train, not of train.py: name another folder "
            "with --out"
        )


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of the folder, as incc train does, where the system and its
    file system have locks. The system ends the lock with the process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = folder / "run.lock"
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise ValueError(
                f"{folder} is in use by another training: wait until it ends, or name "
                "another folder with --out"
            ) from err
        except OSError:
            pass  # some network file systems have none
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def number(x: float) -> str:
    """A number as a spec has it: 10, 0.5, 1e-05."""
    return repr(x).removesuffix(".0")


def spec_text(recipe: Recipe, names: tuple[str, ...]) -> str:
    """The spec of the run: that of the package with the settings of flags, and with the
    names of the classes where it has none.
    """
    template = (HERE / "spec.template").read_bytes().decode()
    _, _, text = template.partition("\n")  # the first line is about the template
    labels = ""
    if names:
        lines = ["labels {"]
        for name in names:
            word = " " + json.dumps(name, ensure_ascii=False)
            if len(lines[-1]) + len(word) > 100:
                lines.append(" ")
            lines[-1] += word
        labels = "\n".join(lines) + " }"
    return Template(text).substitute(
        lr=number(recipe.optimizer.lr),
        batch=recipe.batch,
        epochs=number(recipe.epochs),
        seed=recipe.seed,
        labels=labels,
    )


def _hash(raw: bytes) -> str:
    return "SHA-256 " + hashlib.sha256(raw).hexdigest()


def _labels_of(images: data.Images) -> str:
    raw = images.labels.numpy().astype("<i4").tobytes()
    return f"labels of {len(images)} images, {_hash(raw)}"


def _validation_of(source: data.Source, seed: int) -> str:
    """Which images are for validation, in the words of incc."""
    val = source.val
    if val is None:
        return "none"
    if val.places is None:
        return _labels_of(val)
    numbers = val.places.numpy().astype("<i4").tobytes()
    what = f"{len(val)} images drawn with seed {seed}, SHA-256 of their numbers "
    return what + hashlib.sha256(numbers).hexdigest()


def begin(
    folder: Path,
    recipe: Recipe,
    given: data.Source,
    source: data.Source,
    flags: dict[str, Any],
) -> None:
    """Writes what is known before the first step: run.json, spec.incc and labels.txt. given
    is the data set as it was read, source with the validation images of the run.
    """
    spec = spec_text(recipe, given.names)
    val = len(source.val) if source.val is not None else 0
    images = f"{len(source.train)} for training and {val} for validation"
    content = {
        "incc": recipe.incc,
        "name": recipe.run,
        "data": os.path.abspath(flags["data"]),
        "val": "" if flags["val"] is None else str(flags["val"]),
        "limit_batches": flags["limit_batches"],
        "engine": "torch",
        "classes": list(given.names or recipe.labels),
        "identity": {
            "incc": recipe.incc,
            "spec": _hash(spec.encode()),
            "data": _labels_of(given.train),
            "images": images,
            "validation": _validation_of(source, recipe.seed),
            "batch": str(recipe.batch),
            "epochs": number(recipe.epochs),
            "seed": str(recipe.seed),
            "engine": f"PyTorch {torch.__version__}",
        },
        "flags": {k: str(v) for k, v in flags.items() if v},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_bytes(folder / "run.json", text.encode())
    labels = HERE / "labels.txt"
    if labels.exists():
        write_bytes(folder / "labels.txt", labels.read_bytes())
    write_bytes(folder / "spec.incc", spec.encode())


def write_summary(folder: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Writes summary.json, which says that the run is finished. facts of None, and those
    that are no finite numbers, are left out.
    """

    def known(x: Any) -> bool:
        return x is not None and not (isinstance(x, float) and not math.isfinite(x))

    best = folder / "best.safetensors"
    weights = best if best.exists() else folder / "last.safetensors"
    spec = (folder / "spec.incc").read_bytes()
    content = {
        "name": recipe.run,
        "net": recipe.name,
        "spec_sha256": hashlib.sha256(spec).hexdigest(),
        "incc": recipe.incc,
        "engine": "torch",
        "batch": recipe.batch,
        "seed": recipe.seed,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    content |= {k: v for k, v in facts.items() if known(v)}
    text = json.dumps(content, indent=2) + "\n"
    write_bytes(folder / "summary.json", text.encode())

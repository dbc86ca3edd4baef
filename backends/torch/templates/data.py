"""Data sets in the forms that incc reads, and what training does to their images.

read() takes a folder with the IDX files of MNIST, with CIFAR's binary files, or with one
folder of pictures for each class. Which images are for validation, and the order of the
images in an epoch, are those of incc train with the same seed. What is random about an
image depends on the seed, the epoch and its place in it, so that it is the same for any
number of processes and workers.
"""

import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from recipe import Augment, Recipe

#: The random streams of incc, so that its choices can be drawn again.
_ORDER, _SPLIT = 0xA0000002, 0xA0000003

_PARTS = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))
_PICTURES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
)


@dataclass
class Images:
    """Labelled images: pixels in memory, [N, C, H, W] of bytes, or files of pictures."""

    labels: Tensor  # [N] of int64
    classes: int
    pixels: Tensor | None = None
    files: list[Path] | None = None
    places: Tensor | None = None  # [N]: the numbers that drawn images had before

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, which: list[int]) -> "Images":
        """The images with these numbers, in this order."""
        index = torch.tensor(which, dtype=torch.int64)
        return replace(
            self,
            labels=self.labels[index],
            pixels=None if self.pixels is None else self.pixels[index],
            files=None if self.files is None else [self.files[i] for i in which],
            places=index,
        )


@dataclass
class Source:
    """A data set: its images for training, validation and the test."""

    train: Images
    val: Images | None = None
    test: Images | None = None
    names: tuple[str, ...] = ()  # of the classes, where the files have them


def read(folder: Path, recipe: Recipe) -> Source:
    """Reads a data set. A ValueError says what is wrong with its files."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    for end in ("", ".gz"):
        if (folder / f"train-images-idx3-ubyte{end}").exists():
            return _read_mnist(folder)
    if (folder / "data_batch_1.bin").exists():
        train = [folder / f"data_batch_{i}.bin" for i in range(1, 6)]
        test = [folder / "test_batch.bin"]
        names = _cifar_names(folder / "batches.meta.txt", 10)
        return _in_order(
            _read_cifar(train, 1, 10), _read_cifar(test, 1, 10), names, recipe
        )
    if (folder / "train.bin").exists():
        train, test = [folder / "train.bin"], [folder / "test.bin"]
        names = _cifar_names(folder / "fine_label_names.txt", 100)
        return _in_order(
            _read_cifar(train, 2, 100), _read_cifar(test, 2, 100), names, recipe
        )
    return _read_folder(folder, recipe)


def _read_idx(folder: Path, name: str) -> npt.NDArray[np.uint8]:
    path = folder / name
    data = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress((folder / f"{name}.gz").read_bytes())
    )
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise ValueError(f"{path} is not an IDX file of bytes")
    axes = data[3]
    shape = np.frombuffer(data, ">u4", axes, 4).astype(np.int64)
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * axes)
    if body.size != shape.prod():
        raise ValueError(f"{path} holds {body.size} bytes, it declares {shape.prod()}")
    return body.reshape(shape)


def _read_mnist(folder: Path) -> Source:
    parts = []
    for part in ("train", "t10k"):
        pixels = torch.from_numpy(
            _read_idx(folder, f"{part}-images-idx3-ubyte").copy()
        ).unsqueeze(1)
        labels = torch.from_numpy(
            _read_idx(folder, f"{part}-labels-idx1-ubyte").astype(np.int64)
        )
        if len(pixels) != len(labels) or labels.max() > 9:
            raise ValueError(f"{folder}: images and labels of {part} do not agree")
        parts.append(Images(labels, 10, pixels))
    return Source(parts[0], test=parts[1])


def _read_cifar(paths: list[Path], labels: int, classes: int) -> Images:
    record = labels + 3 * 32 * 32
    data = b"".join(path.read_bytes() for path in paths)
    if not data or len(data) % record:
        raise ValueError(f"{paths[0]} does not hold records of {record} bytes")
    rows = torch.from_numpy(np.frombuffer(data, np.uint8).copy()).reshape(-1, record)
    of = rows[:, labels - 1].long()
    if of.max() >= classes:
        raise ValueError(f"{paths[0]} has the class {int(of.max())} of {classes}")
    return Images(of, classes, rows[:, labels:].reshape(-1, 3, 32, 32).contiguous())


def _cifar_names(path: Path, classes: int) -> list[str]:
    """The names of the classes, none where the file is missing."""
    names = path.read_text().split() if path.exists() else []
    return names if len(names) == classes else []


def _in_order(train: Images, test: Images, names: list[str], recipe: Recipe) -> Source:
    """A data set whose classes have the order of the labels of the spec."""
    labels = list(recipe.labels)
    if names and labels and names != labels:
        if set(names) != set(labels):
            raise ValueError(f"the data has the classes {names}, the spec has {labels}")
        to = torch.tensor([labels.index(name) for name in names])
        train = replace(train, labels=to[train.labels])
        test = replace(test, labels=to[test.labels])
    return Source(train, test=test, names=tuple(labels or names))


def _folders(folder: Path) -> list[Path]:
    found = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return sorted(found, key=lambda p: p.name)


def _find_parts(folder: Path) -> list[Path | None]:
    """The folders of the images for training, validation and the test."""
    parts: list[Path | None] = [None, None, None]
    for path in _folders(folder):
        for i, words in enumerate(_PARTS):
            if path.name.lower() not in words or not _folders(path):
                continue
            if parts[i] is not None:
                raise ValueError(f"both {parts[i]} and {path} are for one purpose")
            parts[i] = path
    if parts[0] is None and (parts[1] or parts[2]):
        raise ValueError(f"{folder} has no folder train beside {parts[1] or parts[2]}")
    return parts


def _read_folder(folder: Path, recipe: Recipe) -> Source:
    parts = _find_parts(folder)
    train = parts[0] or folder
    names = [p.name for p in _folders(train) if _pictures(p)]
    if len(names) != recipe.classes:
        raise ValueError(
            f"{train} has folders with pictures for {len(names)} classes, "
            f"the network has {recipe.classes}"
        )
    if recipe.labels and set(names) != set(recipe.labels):
        raise ValueError(
            f"{train} has folders for {names}, the classes are {recipe.labels}"
        )
    names = list(recipe.labels) or names  # the outputs have the order of the labels
    val, test = (None if p is None else _list_pictures(p, names) for p in parts[1:])
    return Source(_list_pictures(train, names), val, test, tuple(names))


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and in those inside; links to folders are left out."""
    found: list[Path] = []
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found += [] if path.is_symlink() else _pictures(path)
        elif path.name.lower().endswith(_PICTURES):
            found.append(path)
    return found


def _list_pictures(folder: Path, names: list[str]) -> Images:
    files: list[Path] = []
    labels: list[int] = []
    for path in _folders(folder):
        inside = _pictures(path)
        if inside and path.name not in names:
            raise ValueError(f"{path} is of none of the classes trained on: {names}")
        files += inside
        labels += [names.index(path.name)] * len(inside) if inside else []
    if not files:
        raise ValueError(f"{folder} has no pictures")
    return Images(torch.tensor(labels), len(names), files=files)


# Random numbers of incc: Philox4x32-10 (Salmon et al. 2011).


def philox(seed: int, epoch: int, stream: int, count: int) -> npt.NDArray[np.uint32]:
    """The first numbers of a stream, of 32 bits each."""
    blocks = (count + 3) // 4
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c = [
        np.arange(blocks, dtype=np.uint64),
        np.full(blocks, stream, np.uint64),
        np.zeros(blocks, np.uint64),
        np.full(blocks, epoch, np.uint64),
    ]
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(10):
        p = np.uint64(0xD2511F53) * c[0]
        q = np.uint64(0xCD9E8D57) * c[2]
        c = [
            (q >> half) ^ c[1] ^ np.uint64(k0),
            q & low,
            (p >> half) ^ c[3] ^ np.uint64(k1),
            p & low,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1).reshape(-1)[:count].astype(np.uint32)


def _shuffled(n: int, seed: int, epoch: int, stream: int) -> list[int]:
    numbers = philox(seed, epoch, stream, n).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = numbers[i] * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def order(n: int, seed: int, epoch: int) -> list[int]:
    """The order of n images in an epoch, which is that of incc train."""
    return _shuffled(n, seed, epoch, _ORDER)


def _share(counts: list[int], n: int) -> list[int]:
    """Divides n among classes in proportion to their counts."""
    total = sum(counts)
    out = [c * n // total for c in counts]
    ranked = sorted(range(len(counts)), key=lambda k: -(counts[k] * n % total))
    for k in ranked[: n - sum(out)]:
        out[k] += 1
    for k, c in enumerate(counts):
        if c > 0 and out[k] == c:
            left = [a - b for a, b in zip(counts, out, strict=True)]
            if max(left) > 1:
                to = left.index(max(left))
                out[k], out[to] = out[k] - 1, out[to] + 1
    for k, c in enumerate(counts):
        if c > 1 and out[k] == 0 and max(out) > 1:
            source = out.index(max(out))
            out[k], out[source] = 1, out[source] - 1
    return out


def balance(images: Images, classes: int) -> tuple[float, ...]:
    """The weights of classes with which all count the same, 1 for one without images."""
    counts = torch.bincount(images.labels, minlength=classes).tolist()
    have = sum(c > 0 for c in counts)
    return tuple(len(images) / (have * c) if c > 0 else 1.0 for c in counts[:classes])


def default_validation(images: Images) -> int:
    """How many images incc train draws for validation: a twelfth."""
    n = len(images)
    counts = torch.bincount(images.labels, minlength=images.classes)
    k = int((counts > 1).sum())
    return k if n // 12 < k and n >= 4 * k else n // 12


def stratify(images: Images, n: int, seed: int) -> tuple[Images, Images]:
    """Draws n images, the same share of each class: the others, and those drawn."""
    labels = images.labels.tolist()
    counts = torch.bincount(images.labels, minlength=images.classes).tolist()
    left = _share(counts, n)
    drawn = [False] * len(labels)
    for i in _shuffled(len(labels), seed, 0, _SPLIT):
        if left[labels[i]] > 0:
            left[labels[i]] -= 1
            drawn[i] = True
    rest = [i for i, d in enumerate(drawn) if not d]
    return images.subset(rest), images.subset([i for i, d in enumerate(drawn) if d])


class EpochSampler(Sampler[list[tuple[int, int, int]]]):
    """The batches of one process: (epoch, place in the epoch, image) of each image.

    The images of a step are those that one process alone would have; each process takes
    its part of them. Images that do not fill a step are left out. Where images are mixed
    in pairs, the first of a step with the last and so on, a process has both of a pair.
    """

    def __init__(
        self, images: int, recipe: Recipe, rank: int, world: int, limit: int
    ) -> None:
        batch = recipe.batch
        self.images, self.batch, self.seed = images, batch, recipe.seed
        self.pairs = world > 1 and mixes(recipe)
        self.rank, self.world = rank, world
        self.epoch, self.first = 0, 0
        self.steps = images // batch
        if limit > 0:
            self.steps = min(self.steps, limit)

    def start(self, epoch: int, step: int) -> None:
        """Sets the epoch and the step that the next iteration begins with."""
        self.epoch, self.first = epoch, step

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        numbers = order(self.images, self.seed, self.epoch)
        each = self.batch // self.world
        own = list(range(self.rank * each, (self.rank + 1) * each))
        if self.pairs:
            half = own[0] // 2
            own = list(range(half, half + each // 2))
            own += [self.batch - 1 - k for k in reversed(own)]
        for step in range(self.first, self.steps):
            places = [step * self.batch + k for k in own]
            yield [(self.epoch, place, numbers[place]) for place in places]


class EvaluationSampler(Sampler[list[tuple[int, int, int]]]):
    """All images in their order; each process takes every world-th batch."""

    def __init__(self, images: int, batch: int, rank: int, world: int) -> None:
        self.images, self.batch = images, batch
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        starts = range(0, self.images, self.batch)
        for begin in starts[self.rank :: self.world]:
            end = min(begin + self.batch, self.images)
            yield [(0, i, i) for i in range(begin, end)]


class Inputs(Dataset[tuple[Tensor, Tensor]]):
    """The inputs of the network, [B, C, H, W], and the labels, [B], of batches."""

    def __init__(self, images: Images, transform: "Transform", train: bool) -> None:
        self.images, self.transform, self.train = images, transform, train

    def __getitem__(self, batch: list[tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
        which = torch.tensor([i for _, _, i in batch])
        t = self.transform
        if not (self.train and t.recipe.augment) and self.images.pixels is not None:
            x = t.finish(t.fit(self.images.pixels[which].float()))
        else:
            x = torch.cat([t.finish(self.one(*place)) for place in batch])
        return x, self.images.labels[which]

    def one(self, epoch: int, place: int, image: int) -> Tensor:
        """An image, augmented for training, [1, C, H, W] in 0..255."""
        t = self.transform
        x = load(self.images, image, t.recipe)
        if not self.train:
            return t.fit(x)
        mixed = (t.seed * 1_000_003 + epoch) * 1_000_000_007 + place
        random = torch.Generator().manual_seed(mixed % (1 << 63))
        for a in t.recipe.augment:
            x = augment(x, a, t, random)
        _, height, width = t.recipe.shape
        return resize(x, height, width)


def open_picture(path: Path) -> Tensor:
    """A picture, [1, C, H, W] in 0..255: grey, colours, or colours and opacity."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            deep = picture.mode.startswith("I")  # grey with 16 bits
            if not deep:
                clear = picture.mode in ("RGBA", "LA", "PA")
                if clear or "transparency" in picture.info:
                    picture = picture.convert("RGBA")
                else:
                    picture = picture.convert(
                        "L" if picture.mode in ("1", "L") else "RGB"
                    )
            values = np.array(picture, np.float32)
    except (OSError, SyntaxError) as err:
        raise ValueError(f"{path} cannot be read: {err}") from err
    x = torch.from_numpy(values / 257 if deep else values)
    x = x.unsqueeze(0) if x.ndim == 2 else x.permute(2, 0, 1)
    return x.unsqueeze(0)


def load(images: Images, i: int, recipe: Recipe) -> Tensor:
    """The pixels of an image, [1, C, H, W], whole numbers in 0..255.

    A picture is scaled to the size of the network, as incc does it before all else: each
    colour counts by its opacity, and what is transparent is black.
    """
    if images.pixels is not None:
        return images.pixels[i : i + 1].float()
    assert images.files is not None
    x = open_picture(images.files[i])
    if x.shape[1] == 4:
        x = torch.cat([x[:, :3] * (x[:, 3:] / 255), x[:, 3:]], 1)
        x = fit(x, recipe, picture=True)
        opacity = x[:, 3:] / 255
        x = torch.where(opacity > 0, x[:, :3] / opacity, torch.zeros(()))
    else:
        x = fit(x, recipe, picture=True)
    # incc has 65,536 levels here and keeps the upper eight bits.
    x = ((x.clamp(0, 255) * 257 + 0.5).floor() / 256).floor()
    if recipe.shape[0] == 3:
        return x.expand(-1, 3, -1, -1)
    if x.shape[1] == 1:
        return x
    grey = 19595 * x[:, :1] + 38470 * x[:, 1:2] + 7471 * x[:, 2:]
    return ((grey + 32768) / 65536).floor()


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Scales images: bilinear, over the area that a pixel covers where they shrink."""
    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(
        x, (height, width), mode="bilinear", antialias=True, align_corners=False
    )


def fit(x: Tensor, recipe: Recipe, picture: bool = False) -> Tensor:
    """Scales images to the network's size, as the input statement of the spec says: the
    shorter side to its resize, and then the middle, or both sides.
    """
    _, height, width = recipe.shape
    h, w = x.shape[2:]
    side = recipe.resize
    if side == 0 or not picture and (h, w) == (height, width):
        return resize(x, height, width)
    short = min(h, w)
    x = resize(x, max(side * h // short, height), max(side * w // short, width))
    rest = (x.shape[2] - height, x.shape[3] - width)
    top, left = (round(n / 2) if picture else n // 2 for n in rest)
    return x[:, :, top : top + height, left : left + width]


class Transform:
    """Makes inputs of the network of pixels, as the input statement of the spec says."""

    def __init__(self, recipe: Recipe, train: Images, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        channels = recipe.shape[0]

        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)

        mean = recipe.mean or (0.0,) * channels
        std = recipe.std or (1.0,) * channels
        self.scale = column([(recipe.high - recipe.low) / 255] * channels)
        low = column([recipe.low] * channels)
        self.shift = low - column(list(mean))
        self.std = column(list(std))
        self.data_mean = column([0.0] * channels)
        self.data_scale = column([1.0] * channels)
        self.mean_image: Tensor | None = None
        self.whitening: tuple[Tensor, Tensor] | None = None
        self.colours: Tensor | None = None
        if any(a.lighting > 0 for a in recipe.augment) and channels == 3:
            self.colours = self._colours(train)
        if recipe.mean_std:
            self._mean_std(train)
        if recipe.mean_image:
            total = sum(x.double().sum(0, keepdim=True) for x in self._all(train))
            assert isinstance(total, Tensor)
            self.mean_image = (total / len(train)).float()
        if recipe.zca:
            self._whiten(train)

    def _all(self, images: Images, most: int = 0) -> Iterator[Tensor]:
        """The inputs of a set, or of some spread over it, without augmentation."""
        n = len(images)
        count = min(n, most) if most else n
        which = [k * n // count for k in range(count)]
        for begin in range(0, count, 256):
            part = which[begin : begin + 256]
            yield torch.cat(
                [self.finish(self.fit(load(images, i, self.recipe))) for i in part]
            )

    def _mean_std(self, train: Images) -> None:
        count, total, squares = 0, torch.zeros(1), torch.zeros(1)
        for x in self._all(train):
            x = x.double()
            count += x.numel() // x.shape[1]
            total = total + x.sum((0, 2, 3))
            squares = squares + (x * x).sum((0, 2, 3))
        mean = total / count
        variance = (squares / count - mean * mean).clamp_min(1e-12)
        self.data_mean = mean.float().reshape(1, -1, 1, 1)
        self.data_scale = variance.rsqrt().float().reshape(1, -1, 1, 1)

    def _whiten(self, train: Images) -> None:
        """Zero-phase whitening (Bell and Sejnowski 1997), of 10,000 images."""
        x = torch.cat(list(self._all(train, 10000))).flatten(1).double()
        mean = x.mean(0)
        x = x - mean
        values, vectors = torch.linalg.eigh(x.T @ x / len(x))
        scaled = vectors / (values.clamp_min(0) + 0.1).sqrt()
        self.whitening = (mean.float(), (scaled @ vectors.T).float())

    def _colours(self, train: Images) -> Tensor:
        """The principal colours, each times its deviation (Krizhevsky 2012), [3, 3]."""
        count, total, squares = 0, torch.zeros(3), torch.zeros(3, 3)
        for i in range(len(train)):
            x = load(train, i, self.recipe).double().flatten(2)[0, :, ::7]
            count += x.shape[1]
            total = total + x.sum(1)
            squares = squares + x @ x.T
        mean = total / count
        covariance = squares / count - mean[:, None] * mean[None, :]
        values, vectors = torch.linalg.eigh(covariance)
        colours: Tensor = (vectors * values.clamp_min(0).sqrt()).T.float()
        return colours

    def fit(self, x: Tensor) -> Tensor:
        """Scales images for evaluation, [N, C, H, W] of the network's size."""
        return fit(x, self.recipe)

    def finish(self, x: Tensor) -> Tensor:
        """Makes inputs of pixels in 0..255."""
        if self.recipe.bgr and x.shape[1] == 3:
            x = x.flip(1)
        x = (x * self.scale + self.shift) / self.std
        if self.recipe.mean_std:
            x = (x - self.data_mean) * self.data_scale
        if self.recipe.gcn:
            x = x - x.mean((1, 2, 3), keepdim=True)
            norm = x.square().sum((1, 2, 3), keepdim=True).sqrt() / 55
            x = x / torch.where(norm < 1e-8, torch.ones_like(norm), norm)
        if self.mean_image is not None:
            x = x - self.mean_image
        if self.whitening is not None:
            mean, matrix = self.whitening
            x = ((x.flatten(1) - mean) @ matrix.T).reshape(x.shape)
        return x


def _uniform(random: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=random))


def _below(random: torch.Generator, n: int) -> int:
    return int(torch.randint(n, (), generator=random))


def augment(
    x: Tensor, a: Augment, transform: Transform, random: torch.Generator
) -> Tensor:
    """Applies one augment statement to an image, [1, C, H, W] in 0..255."""
    _, height, width = transform.recipe.shape
    if a.rotate > 0 or a.shift > 0:
        angle = math.radians(_uniform(random, -a.rotate, a.rotate))
        dy = _uniform(random, -a.shift, a.shift)
        dx = _uniform(random, -a.shift, a.shift)
        x = warp(x, angle, dy, dx)
    if a.area[1] > 0:
        x = random_area(x, a, height, width, random)
    elif a.crop > 0:
        x = F.pad(x, (a.pad, a.pad, a.pad, a.pad))
        top = _below(random, x.shape[2] - height + 1)
        left = _below(random, x.shape[3] - width + 1)
        x = x[:, :, top : top + height, left : left + width]
    if a.flip > 0 and _uniform(random, 0, 1) < a.flip:
        x = x.flip(3)
    if a.brightness > 0:
        by = _uniform(random, 1 - a.brightness, 1 + a.brightness)
        x = (x * by).clamp(0, 255)
    if a.contrast > 0:
        by = _uniform(random, 1 - a.contrast, 1 + a.contrast)
        grey = luma(x).mean()
        x = (grey + (x - grey) * by).clamp(0, 255)
    if a.saturation > 0 and x.shape[1] == 3:
        by = _uniform(random, 1 - a.saturation, 1 + a.saturation)
        grey = luma(x)
        x = (grey + (x - grey) * by).clamp(0, 255)
    if a.lighting > 0 and transform.colours is not None:
        draw = torch.randn(3, generator=random) * a.lighting
        x = (x + (draw @ transform.colours).reshape(1, 3, 1, 1)).clamp(0, 255)
    if a.erase > 0 and _uniform(random, 0, 1) < a.erase:
        x = erase(x, random)
    return x


def luma(x: Tensor) -> Tensor:
    """The brightness of colours by ITU-R 601, [N, 1, H, W]."""
    if x.shape[1] != 3:
        return x
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def random_area(
    x: Tensor, a: Augment, height: int, width: int, random: torch.Generator
) -> Tensor:
    """A rectangle of random area and aspect, scaled (Szegedy 2015, section 6)."""
    h, w = x.shape[2:]
    for _ in range(10):
        area = _uniform(random, *a.area) * h * w
        aspect = math.exp(
            _uniform(random, math.log(a.aspect[0]), math.log(a.aspect[1]))
        )
        hh, ww = int(math.sqrt(area / aspect)), int(math.sqrt(area * aspect))
        if 1 <= hh <= h and 1 <= ww <= w:
            top, left = _below(random, h - hh + 1), _below(random, w - ww + 1)
            return resize(x[:, :, top : top + hh, left : left + ww], height, width)
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return resize(x[:, :, top : top + side, left : left + side], height, width)


def warp(x: Tensor, angle: float, dy: float, dx: float) -> Tensor:
    """Rotates about the middle and shifts by shares of the sides."""
    h, w = x.shape[2:]
    sin, cos = math.sin(angle), math.cos(angle)
    v, u = torch.meshgrid(
        torch.arange(h) - (h - 1) / 2 - dy * h,
        torch.arange(w) - (w - 1) / 2 - dx * w,
        indexing="ij",
    )
    y, z = cos * v - sin * u, sin * v + cos * u
    grid = torch.stack([z * 2 / w, y * 2 / h], 2).unsqueeze(0)
    return F.grid_sample(x, grid, align_corners=False)


def erase(x: Tensor, random: torch.Generator) -> Tensor:
    """Fills a rectangle of 2 to 20 % of the area with the mean (Zhong 2017)."""
    h, w = x.shape[2:]
    area = _uniform(random, 0.02, 0.2) * h * w
    aspect = _uniform(random, 0.5, 2)
    hh = min(int(math.sqrt(area * aspect)) + 1, h)
    ww = min(int(math.sqrt(area / aspect)) + 1, w)
    top, left = _below(random, h - hh + 1), _below(random, w - ww + 1)
    x = x.clone()
    x[:, :, top : top + hh, left : left + ww] = luma(x).mean()
    return x


@dataclass
class Mixed:
    """The labels of a batch and those of the pictures mixed in, with their share."""

    labels: Tensor
    others: Tensor
    share: float  # of labels in the loss; the rest is that of others


def mixes(recipe: Recipe) -> bool:
    """Whether pictures of a batch are mixed."""
    return recipe.mixup > 0 or recipe.cutmix > 0


def mix(x: Tensor, labels: Tensor, recipe: Recipe, seed: tuple[int, int, int]) -> Mixed:
    """Mixes the pictures of a batch in pairs, in place: mixup (Zhang 2018), CutMix (Yun
    2019). seed is the seed, the epoch and the step: all processes mix by one share.
    """
    none = Mixed(labels, labels, 1.0)
    if not mixes(recipe):
        return none
    random = np.random.default_rng(seed)
    if random.random() >= recipe.mix_probability:
        return none
    cut = recipe.cutmix > 0 and (recipe.mixup == 0 or random.random() < 0.5)
    alpha = recipe.cutmix if cut else recipe.mixup
    share = float(random.beta(alpha, alpha))
    other = x.flip(0)
    if not cut:
        x.copy_(share * x + (1 - share) * other)
        return Mixed(labels, labels.flip(0), share)
    h, w = x.shape[2:]
    side = math.sqrt(1 - share)
    hh, ww = int(h * side), int(w * side)
    cy, cx = int(random.integers(h)), int(random.integers(w))
    y0, y1 = max(cy - hh // 2, 0), min(cy + (hh + 1) // 2, h)
    x0, x1 = max(cx - ww // 2, 0), min(cx + (ww + 1) // 2, w)
    x[:, :, y0:y1, x0:x1] = other[:, :, y0:y1, x0:x1]
    return Mixed(labels, labels.flip(0), 1 - (y1 - y0) * (x1 - x0) / (h * w))

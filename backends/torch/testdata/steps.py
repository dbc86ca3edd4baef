"""Takes steps with the trainers of generated packages, for the tests of package torch.

    python steps.py DIR...

Each DIR holds a package, and input.safetensors with the tensors images, [S, B, C, H, W],
and labels, [S, B], of S steps. Writes output.safetensors: the losses, the rates, and the
weights after the last step. Dropout is off. The run has steps_per_epoch steps an epoch.
"""

import importlib
import json
import sys
from pathlib import Path

import torch
from oracle import read, write

torch.set_num_threads(1)
MODULES = ("model", "recipe", "data", "train")


def run(folder):
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)
    train = importlib.import_module("train")
    data = sys.modules["data"]
    sys.path.pop(0)
    given = read(Path(folder) / "input.safetensors")
    images, labels = given["images"], given["labels"].long()
    model = train.Network()
    model.load_state_dict(read(Path(folder) / "weights.safetensors"))
    for m in model.modules():
        if isinstance(m, torch.nn.Dropout):
            m.p = 0.0
    t = train.Trainer(model, train.RECIPE, train.World())
    steps = int(given["steps_per_epoch"][0])
    losses, rates = [], []
    for i, (x, y) in enumerate(zip(images, labels)):
        t.freeze(i // steps)
        rate = train.learning_rate(train.RECIPE, i / steps, 0)
        share = float(given["shares"][i]) if "shares" in given else 1.0
        mixed = data.Mixed(y, y.flip(0), share)
        losses.append(t.step(x, mixed, rate, i)[0])
        rates.append(rate)
    out = {"losses": torch.stack(losses), "rates": torch.tensor(rates)}
    out |= dict(model.state_dict())
    out |= {name + ".average": x for name, x in t.average.items()}
    write(Path(folder) / "output.safetensors", out)


def orders(folder):
    """The order of images and the images for validation, of package data."""
    sys.path.insert(0, folder)
    data = importlib.import_module("data")
    given = json.loads((Path(folder) / "orders.json").read_text())
    images = data.Images(torch.tensor(given["labels"]), given["classes"])
    images.files = [Path(str(i)) for i in range(len(images))]
    rest, drawn = data.stratify(images, given["n"], given["seed"])
    result = {
        "order": data.order(len(images), given["seed"], given["epoch"]),
        "drawn": [int(str(f)) for f in drawn.files],
        "rest": [int(str(f)) for f in rest.files],
        "balance": data.balance(rest, given["classes"] + 1),
    }
    (Path(folder) / "result.json").write_text(json.dumps(result))


def inputs(folder):
    """The inputs of the network for the images of pixels.safetensors."""
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)
    data = importlib.import_module("data")
    recipe = importlib.import_module("recipe").RECIPE
    sys.path.pop(0)
    pixels = read(Path(folder) / "pixels.safetensors")["pixels"].to(torch.uint8)
    images = data.Images(torch.zeros(len(pixels), dtype=torch.int64), 1, pixels)
    t = data.Transform(recipe, images, 1)
    random = torch.Generator().manual_seed(1)
    for a in recipe.augment:  # it changes values and sizes, but not what is compared
        x = data.augment(pixels[:1].float(), a, t, random)
        assert x.shape[1] == recipe.shape[0] and torch.isfinite(x).all()
        assert x.min() >= -1e-3 and x.max() <= 255.001, a
    out = {"inputs": t.finish(t.fit(pixels.float()))}
    write(Path(folder) / "output.safetensors", out)


def source(folder):
    """The images of the data set that source.json names, as the trainer gets them."""
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)
    train = importlib.import_module("train")
    sys.path.pop(0)
    data, recipe = train.data, train.RECIPE
    root = Path(json.loads((Path(folder) / "source.json").read_text()))
    divided = train.divide(data.read(root, recipe), None, recipe.seed)
    transform = data.Transform(recipe, divided.train, recipe.seed)
    result, tensors = {}, {}
    for part in ("train", "val", "test"):
        images = getattr(divided, part)
        if images is None:
            continue
        batch = [(0, i, i) for i in range(len(images))]
        x, labels = data.Inputs(images, transform, train=False)[batch]
        tensors |= {part: x.contiguous(), part + ".labels": labels.float()}
        files = [p.relative_to(root).as_posix() for p in images.files or []]
        result[part] = {"files": files}
    sampler = data.EpochSampler(len(divided.train), recipe, 0, 1, 0)
    sampler.start(1, 0)
    result["train"]["order"] = [i for batch in sampler for _, _, i in batch]
    (Path(folder) / "result.json").write_text(json.dumps(result))
    write(Path(folder) / "output.safetensors", tensors)


for folder in sys.argv[1:]:
    if (Path(folder) / "source.json").exists():
        source(folder)
    elif (Path(folder) / "pixels.safetensors").exists():
        inputs(folder)
    elif (Path(folder) / "orders.json").exists():
        orders(folder)
    else:
        run(folder)

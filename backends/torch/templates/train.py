"""Trains the network as the spec says: on one process, or on many under torchrun.

    python train.py DATA --out RUN
    torchrun --nproc-per-node=4 train.py DATA --out RUN

The folder RUN is one of incc train: incc eval RUN, predict RUN, compare RUN OTHER, view RUN,
compile RUN and gen go RUN take it. It also has a checkpoint, checkpoint.pt. Where RUN has
one, the training goes on from it, also with another number of processes.
"""

import argparse
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

import data
import runfolder
from display import Display, short_time
from model import NETWORK as Network
from model import incc_names
from recipe import RECIPE, WEIGHTS, Recipe, Schedule, Weight

HERE = Path(__file__).parent


@dataclass(frozen=True)
class World:
    """The processes of the training."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """The sums of numbers over all processes."""
        if self.size == 1:
            return list(values)
        return [float(x) for x in self.sums(torch.tensor(values, dtype=torch.float64))]

    def sums(self, values: Tensor) -> Tensor:
        """The sums of the elements over all processes, on the CPU."""
        if self.size == 1:
            return values
        kind = torch.float32 if self.device.type == "mps" else values.dtype
        values = values.to(self.device, kind)
        dist.all_reduce(values)
        return values.cpu()


def join_world() -> World:
    """Joins the processes that torchrun started; one process alone needs none."""
    gpu = torch.cuda.is_available()
    if "RANK" not in os.environ:
        return World(device=torch.device("cuda" if gpu else "cpu"))
    local = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo")
    return World(dist.get_rank(), dist.get_world_size(), device)


# Loss


def cross_entropy(
    logits: Tensor, labels: Tensor, recipe: Recipe, weights: Tensor | None
) -> Tensor:
    """The sum of the losses of the images (Szegedy 2016, section 7; Lin 2017)."""
    logits = logits.float()
    if recipe.loss != "focal":
        return F.cross_entropy(
            logits,
            labels,
            weights,
            reduction="sum",
            label_smoothing=recipe.smoothing,
        )
    logs = F.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
    loss = -((-torch.expm1(logs)) ** recipe.gamma) * logs
    if weights is not None:
        loss = loss * weights[labels]
    return loss.sum()


def loss_of(
    outputs: tuple[Tensor, ...],
    mixed: data.Mixed,
    recipe: Recipe,
    weights: Tensor | None,
    world: World,
) -> Tensor:
    """The loss of this process's part of a step.

    The mean of the losses of all processes is that of the whole step: with weights of
    classes, each is divided by the weights of all images, not only its own.
    """

    def mean(logits: Tensor, labels: Tensor) -> Tensor:
        of = float(len(labels))
        if weights is not None:
            of = world.sum(float(weights[labels].sum()))[0] / world.size
        return cross_entropy(logits, labels, recipe, weights) / of

    total = torch.zeros((), device=outputs[0].device)
    for logits, weight in zip(outputs, (1.0, *recipe.head_weights), strict=False):
        loss = mean(logits, mixed.labels)
        if mixed.share != 1:
            others = mean(logits, mixed.others)
            loss = mixed.share * loss + (1 - mixed.share) * others
        total = total + weight * loss
    return total


# Optimizer


class RMSpropTF(torch.optim.Optimizer):
    """RMSProp as TensorFlow has it, with which the Inception networks were trained: eps is
    under the root, and each gradient enters the velocity with the learning rate of its step.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        alpha: float,
        eps: float,
        momentum: float,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": 0.0,
                "alpha": alpha,
                "eps": eps,
                "momentum": momentum,
                "weight_decay": 0.0,
            },
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Changes the weights by their gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["square"] = torch.zeros_like(p)
                    state["velocity"] = torch.zeros_like(p)
                g = p.grad + group["weight_decay"] * p
                square, velocity = state["square"], state["velocity"]
                square.mul_(group["alpha"]).addcmul_(g, g, value=1 - group["alpha"])
                update = g / (square + group["eps"]).sqrt()
                velocity.mul_(group["momentum"]).add_(update, alpha=group["lr"])
                p.sub_(velocity)


def weight_of(name: str) -> Weight:
    """What is special about a weight. The decay is for the weights of layers alone."""
    return WEIGHTS.get(name) or Weight(decay=float(name.endswith("/weight")))


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer of the recipe, with a group for each rate and decay of weights."""
    names = incc_names(model)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    o = recipe.optimizer
    for key, p in model.named_parameters():
        w = weight_of(names[key])
        group = groups.setdefault(
            (w.rate, w.decay),
            {"params": [], "rate": w.rate, "weight_decay": o.decay * w.decay},
        )
        group["params"].append(p)
    params = list(groups.values())
    if o.kind in ("sgd", "nesterov"):
        nesterov = o.kind == "nesterov" and o.momentum > 0
        return torch.optim.SGD(params, o.lr, o.momentum, nesterov=nesterov)
    if o.kind == "adam":
        return torch.optim.Adam(params, o.lr, (o.beta1, o.beta2), o.eps)
    if o.kind == "adamw":
        return torch.optim.AdamW(params, o.lr, (o.beta1, o.beta2), o.eps)
    if o.kind == "rmsprop_torch":
        return torch.optim.RMSprop(params, o.lr, o.rho, o.eps, momentum=o.momentum)
    if o.kind == "rmsprop":
        return RMSpropTF(params, o.rho, o.eps, o.momentum)
    raise ValueError(f"unknown optimizer {o.kind}")


def learning_rate(recipe: Recipe, epoch: float, drops: int) -> float:
    """The learning rate at a moment of the run, in epochs from its begin, after so many
    drops of a plateau.
    """
    s: Schedule = recipe.schedule
    base = rate = recipe.optimizer.lr
    if s.kind == "step":
        n = sum(epoch >= at for at in s.at) if s.at else math.floor(epoch / s.every)
        rate = base * s.factor**n
    elif s.kind == "exp":
        rate = base * s.factor ** (epoch / s.every)
    elif s.kind == "poly":
        rate = base * max(0.0, 1 - epoch / recipe.epochs) ** s.power
    elif s.kind == "cosine":
        rate = base * (1 + math.cos(math.pi * min(1.0, epoch / recipe.epochs))) / 2
    rate = max(rate, s.floor)
    if 0 < s.warmup and epoch < s.warmup:  # Goyal 2017, section 2.2
        rate *= (epoch + 1e-3) / s.warmup
    if s.kind == "plateau":
        rate = max(rate * s.factor**drops, s.floor)
    return rate


@torch.no_grad()
def bound_norms(weight: Tensor, bound: float) -> None:
    """Scales the weights of each output down to a norm (Srebro 2005)."""
    norms = weight.flatten(1).norm(dim=1) if weight.ndim > 1 else weight.abs()
    scale = torch.where(norms > bound, bound / norms, torch.ones_like(norms))
    weight.mul_(scale.reshape(-1, *[1] * (weight.ndim - 1)))


class Trainer:
    """The model with all that a step changes."""

    def __init__(self, model: nn.Module, recipe: Recipe, world: World) -> None:
        self.model, self.recipe, self.world = model, recipe, world
        self.run: Callable[..., Any] = model  # what computes: with DDP, compiled
        self.names = incc_names(model)
        self.weights_of = {
            key: weight_of(self.names[key]) for key, _ in model.named_parameters()
        }
        self.tensors = {
            self.names[key]: tensor
            for key, tensor in [*model.named_parameters(), *model.named_buffers()]
            if key in self.names
        }
        self.optimizer = make_optimizer(model, recipe)
        self.average: dict[str, Tensor] = {}
        self.class_weights: Tensor | None = None
        if recipe.class_weights:
            self.class_weights = torch.tensor(recipe.class_weights, device=world.device)
        self.autocast: Callable[[], Any] = nullcontext

    def wrap(self, compiled: bool) -> None:
        """Spreads the model over the processes, and compiles it."""
        run: Any = self.model
        if self.world.size > 1:
            ids = (
                [self.world.device.index] if self.world.device.type == "cuda" else None
            )
            run = DistributedDataParallel(self.model, device_ids=ids)
        self.run = torch.compile(run) if compiled else run

    def freeze(self, epoch: int) -> bool:
        """Readies the model to train in an epoch, counted from 0, with its frozen parts.
        Says whether other parts are frozen than before.
        """
        parts = [
            part
            for f in self.recipe.freeze
            if f.until == 0 or epoch < f.until
            for part in f.parts
        ]

        def frozen(name: str) -> bool:
            return any(name.startswith(part + "/") for part in parts)

        self.model.train()
        changed = False
        for key, p in self.model.named_parameters():
            wanted = not frozen(self.names[key])
            changed = changed or p.requires_grad != wanted
            p.requires_grad_(wanted)
        for path, module in self.model.named_modules():
            mean = self.names.get(f"{path}.running_mean")
            if mean is not None:
                module.train(self.model.training and not frozen(mean))
        return changed

    def step(self, x: Tensor, mixed: data.Mixed, rate: float, step: int) -> Tensor:
        """Changes the weights by one step. Returns loss, norm and correct answers, [3]."""
        r = self.recipe
        self.optimizer.zero_grad()
        with self.autocast():
            out = self.run(x)
        outputs = out if isinstance(out, tuple) else (out,)
        loss = loss_of(outputs, mixed, r, self.class_weights, self.world)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [
            (k, p) for k, p in self.model.named_parameters() if p.grad is not None
        ]
        grads = [p.grad for _, p in trained if p.grad is not None]
        norm = nn.utils.get_total_norm(grads)
        with torch.no_grad():
            self._bound_gradients(trained, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.optimizer.step()
        self._after(trained, step)
        correct = (outputs[0].argmax(1) == mixed.labels).sum()
        return torch.stack([loss.detach(), norm.detach(), correct.to(loss.dtype)])

    def _bound_gradients(
        self, trained: list[tuple[str, nn.Parameter]], norm: Tensor
    ) -> None:
        r = self.recipe
        scale = torch.ones_like(norm)
        if r.clip_norm > 0:  # Pascanu 2013, algorithm 1
            scale = torch.where(norm <= r.clip_norm, scale, r.clip_norm / norm)
        for key, p in trained:
            assert p.grad is not None
            if r.clip_norm > 0:
                p.grad.mul_(scale)
            if r.clip_value > 0:
                p.grad.clamp_(-r.clip_value, r.clip_value)
            decay = self.weights_of[key].decay
            if r.l1 * decay > 0:
                p.grad.add_(p.sign(), alpha=r.l1 * decay)
            if r.l2 * decay > 0:
                p.grad.add_(p, alpha=r.l2 * decay)

    def _after(self, trained: list[tuple[str, nn.Parameter]], step: int) -> None:
        """Bounds the norms of the weights and averages them."""
        r = self.recipe
        for key, p in trained:
            w = self.weights_of[key]
            bound = w.max_norm or (r.max_norm if w.decay > 0 else 0.0)
            if bound > 0 and p.ndim > 0:
                bound_norms(p, bound)
        if not r.average:
            return
        decay = 1.0 if r.average == "polyak" else r.average_decay
        share = max(1 - decay, 1 / (step + 1))
        with torch.no_grad():
            for name, value in self.tensors.items():
                if name not in self.average:
                    self.average[name] = torch.zeros_like(value)
                self.average[name].add_(value - self.average[name], alpha=share)

    def weights(self) -> dict[str, Tensor]:
        """The weights to evaluate with, by the names of incc."""
        state = self.model.state_dict() | self.average
        return {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}

    @torch.no_grad()
    def evaluate(self, loader: DataLoader[tuple[Tensor, Tensor]]) -> "Score":
        """Evaluates the weights to evaluate with, those of weights()."""
        own = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(own | self.average)
        self.model.eval()
        # Of each class: images that are right, that are of it, that are taken for it.
        classes = torch.zeros(3, self.recipe.classes, dtype=torch.float64)
        total = 0.0
        for x, labels in loader:
            x = x.to(self.world.device)
            with self.autocast():
                out = self.model(x)
            logits = (out[0] if isinstance(out, tuple) else out).float().cpu()
            loss = F.cross_entropy(logits.double(), labels, reduction="sum")
            total += float(loss)
            answers = logits.argmax(1)
            for row, found in enumerate((labels[answers == labels], labels, answers)):
                classes[row] += torch.bincount(found, minlength=self.recipe.classes)
        self.model.load_state_dict(own)
        return Score.of(self.world.sum(total)[0], self.world.sums(classes))


@dataclass(frozen=True)
class Score:
    """How good the network is on some images."""

    loss: float
    accuracy: float
    images: int
    right: int
    macro_f1: float  # the mean over the classes that occur
    balanced: float  # the mean recall over the classes that have images

    @staticmethod
    def of(loss: float, classes: Tensor) -> "Score":
        """The score of a sum of losses and of counts: right, of the class, taken for it."""
        right, label, answer = classes
        images = int(label.sum())
        f1 = (2 * right / (label + answer))[label + answer > 0].mean()
        recall = (right / label)[label > 0].mean()
        share = float(right.sum()) / images
        return Score(
            loss / images, share, images, int(right.sum()), float(f1), float(recall)
        )


# Checkpoints


@dataclass
class Progress:
    """Where a run is."""

    epoch: int = 0
    step: int = 0  # of the epoch
    total: int = 0  # steps of all epochs
    loss: float = 0.0  # sum over the steps of the epoch
    correct: float = 0.0
    drops: int = 0
    stale: int = 0
    best: float = -math.inf
    best_loss: float = math.inf
    best_epoch: int = 0
    rows: list[list[float]] = field(default_factory=list)


def save_checkpoint(path: Path, t: Trainer, p: Progress) -> None:
    """Writes all that a training goes on from."""
    content = {
        "model": t.model.state_dict(),
        "optimizer": t.optimizer.state_dict(),
        "average": t.average,
        "progress": vars(p),
        "recipe": settings_text(t.recipe),
    }
    runfolder.write(path, lambda to: torch.save(content, to))


def settings_text(r: Recipe) -> str:
    """What a checkpoint must agree in with the training that goes on from it."""
    return repr(replace(r, run="", incc=""))


def load_checkpoint(path: Path, t: Trainer) -> Progress:
    """Goes on from a checkpoint. A ValueError says that it is of another training."""
    content = torch.load(path, map_location=t.world.device, weights_only=True)
    if content["recipe"] != settings_text(t.recipe):
        raise ValueError(
            f"{path} is of a training with other settings: go on with the same flags, "
            "or name another folder with --out"
        )
    t.model.load_state_dict(content["model"])
    t.optimizer.load_state_dict(content["optimizer"])
    t.average = content["average"]
    return Progress(**content["progress"])


# The run


def gain(p: Progress, r: Recipe, loss: float, accuracy: float) -> None:
    """Notes whether an epoch is the best so far, for early_stop and plateau."""
    metric = -loss if r.metric == "loss" else accuracy
    if math.isnan(metric):
        metric = -math.inf
    if p.best_epoch == 0 or metric > p.best:
        p.best, p.best_loss, p.best_epoch, p.stale = metric, loss, p.epoch + 1, 0
        return
    if metric == p.best and loss < p.best_loss:
        p.best_loss, p.best_epoch = loss, p.epoch + 1
    p.stale += 1
    if r.schedule.kind == "plateau" and p.stale % max(int(r.schedule.every), 1) == 0:
        p.drops += 1


def arguments() -> argparse.Namespace:
    """The flags of the command line."""
    a = argparse.ArgumentParser(description="Trains the network as its spec says.")
    add = a.add_argument
    add("data", type=Path, help="folder of the data set; see data.py")
    add("--out", type=Path, default=Path("runs") / RECIPE.run, help="folder to write")
    add("--weights", type=Path, help="begin with a safetensors file of weights")
    add("--epochs", type=float, help="train for so many epochs")
    add("--batch", type=int, help="images of a step, of all processes together")
    add("--device-batch", type=int, help="images of a step of each process, instead")
    add("--lr", type=float, help="learning rate")
    add("--seed", type=int, help="of order, augmentation and dropout")
    add("--val", type=int, help="draw so many images for validation; 0 for none")
    add("--limit-batches", type=int, default=0, help="steps of an epoch at most")
    add("--checkpoint-every", type=int, default=0, help="steps between checkpoints")
    add("--workers", type=int, default=2, help="processes that prepare images")
    add("--threads", type=int, default=0, help="threads of each process on CPUs")
    add("--amp", action="store_true", help="compute in bfloat16 where that is safe")
    add("--channels-last", action="store_true", help="channels innermost in memory")
    add("--compile", action="store_true", help="use torch.compile")
    add("--sync-bn", action="store_true", help="batch norm over all GPUs' images")
    add("--no-augment", action="store_true", help="no random changes of images")
    add("--no-dropout", action="store_true", help="no dropout")
    add("--log-steps", action="store_true", help="write each step's loss to steps.csv")
    return a.parse_args()


def settings(a: argparse.Namespace, world: World) -> Recipe:
    """The recipe with the settings of flags."""
    r = RECIPE
    if a.batch is not None and a.device_batch is not None:
        raise ValueError(
            "--batch and --device-batch both say how many images a step has"
        )
    batch = a.batch or (a.device_batch or 0) * world.size or r.batch
    if batch % world.size or batch < world.size:
        raise ValueError(
            f"{world.size} processes cannot share a batch of {batch}: take a multiple"
        )
    o = replace(r.optimizer, lr=r.optimizer.lr if a.lr is None else a.lr)
    r = replace(r, batch=batch, optimizer=o)
    if a.epochs is not None:
        r = replace(r, epochs=a.epochs)
    if a.seed is not None:
        r = replace(r, seed=a.seed)
    if a.no_augment:
        r = replace(r, augment=(), mixup=0.0, cutmix=0.0)
    if world.size > 1 and data.mixes(r) and batch % (2 * world.size):
        raise ValueError(
            f"mixup and CutMix mix pairs of images, which {world.size} processes cannot "
            f"share of a batch of {batch}: take a multiple of {2 * world.size}"
        )
    return r


def divide(source: data.Source, val: int | None, seed: int) -> data.Source:
    """Draws the images for validation that incc train would draw."""
    if val is None and source.val is not None:
        return source
    n = data.default_validation(source.train) if val is None else val
    if n >= len(source.train):
        raise ValueError(f"--val {n} leaves none of {len(source.train)} images")
    if n == 0:
        return data.Source(source.train, None, source.test)
    rest, drawn = data.stratify(source.train, n, seed)
    return data.Source(rest, drawn, source.test)


def loader_of(
    images: data.Images,
    transform: data.Transform,
    sampler: data.EpochSampler | data.EvaluationSampler,
    workers: int,
) -> DataLoader[tuple[Tensor, Tensor]]:
    """The batches that a sampler names."""
    inputs = data.Inputs(
        images, transform, train=isinstance(sampler, data.EpochSampler)
    )
    return DataLoader(
        inputs,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )


def build(a: argparse.Namespace, recipe: Recipe, world: World) -> Trainer:
    """The model with its first weights, on the device."""
    model = Network()
    model.load_state_dict(load_file(a.weights or HERE / "weights.safetensors"))
    if a.no_dropout:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    if a.sync_bn:
        if world.device.type != "cuda":
            raise ValueError("--sync-bn: PyTorch has it for GPUs only")
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    model.to(world.device)
    if a.channels_last:
        model.to(memory_format=torch.channels_last)
    t = Trainer(model, recipe, world)
    if a.amp:
        t.autocast = lambda: torch.autocast(world.device.type, torch.bfloat16)
    return t


def train_epoch(
    a: argparse.Namespace,
    t: Trainer,
    p: Progress,
    loader: DataLoader[tuple[Tensor, Tensor]],
    display: Display,
) -> float:
    """Trains to the end of an epoch or of the run. Returns the seconds that it waited."""
    r, world = t.recipe, t.world
    waited = 0.0
    display.start()
    batches = iter(loader)
    log = a.out / "steps.csv"
    while p.step < display.steps and p.total < display.end:
        begin = time.monotonic()
        x, labels = next(batches)
        waited += time.monotonic() - begin
        x = x.to(world.device, non_blocking=True)
        labels = labels.to(world.device, non_blocking=True)
        if a.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        torch.manual_seed((r.seed * 1_000_003 + p.total) * 65_537 + world.rank)
        mixed = data.mix(x, labels, r, (r.seed, p.epoch, p.step))
        rate = learning_rate(r, p.total / display.steps, p.drops)
        loss, norm, correct = t.step(x, mixed, rate, p.total).tolist()
        loss, correct = world.sum(loss / world.size, correct)
        if not math.isfinite(loss + norm):
            raise ArithmeticError(
                f"loss {loss:g}, norm of the gradients {norm:g} at step {p.total}: "
                "take a smaller learning rate"
            )
        if a.log_steps and world.first:
            with open(log, "a") as file:
                file.write(f"{p.total},{rate:.9g},{loss:.9g},{norm:.9g}\n")
        p.step, p.total = p.step + 1, p.total + 1
        p.loss, p.correct = p.loss + loss, p.correct + correct
        if world.first:
            display.step(p.epoch + 1, p.step, p.total, loss, waited)
        every = a.checkpoint_every
        if every and world.first and p.step % every == 0 and p.step < display.steps:
            save_checkpoint(a.out / "checkpoint.pt", t, p)
    return waited


def end_epoch(
    a: argparse.Namespace,
    t: Trainer,
    p: Progress,
    val: DataLoader[tuple[Tensor, Tensor]] | None,
    display: Display,
    times: tuple[float, float],
) -> None:
    """Evaluates, and writes what an epoch leaves. times are the seconds of the epoch, and
    those in which its steps waited for images.
    """
    r, world = t.recipe, t.world
    done = max(p.step, 1)
    loss, accuracy = p.loss / done, p.correct / (done * r.batch)
    val_loss = val_accuracy = math.nan
    if val is not None:
        score = t.evaluate(val)
        val_loss, val_accuracy = score.loss, score.accuracy
    rate = learning_rate(r, p.total / display.steps, p.drops)
    row = [loss, accuracy, val_loss, val_accuracy, *times]
    p.rows.append([float(p.epoch + 1), rate, *row])
    gain(p, r, *((loss, accuracy) if val is None else (val_loss, val_accuracy)))
    best = p.best_epoch == p.epoch + 1
    images = display.done * r.batch
    p.epoch, p.step, p.loss, p.correct = p.epoch + 1, 0, 0.0, 0.0
    if not world.first:
        return
    if best:
        runfolder.save_weights(a.out / "best.safetensors", t.weights(), r)
    save_checkpoint(a.out / "checkpoint.pt", t, p)
    runfolder.write_results(a.out / "results.csv", p.rows)
    display.epoch(p.rows[-1], p.total, images, rest=not stops(p, r))


def stops(p: Progress, r: Recipe) -> bool:
    """Whether early_stop ends the run."""
    return 0 < r.patience <= p.stale


def prepare_log(path: Path, total: int) -> None:
    """Begins steps.csv, or cuts off the steps that a killed run did after its checkpoint."""
    lines = path.read_text().splitlines()[1:] if path.exists() else []
    kept = [line for line in lines if int(line.split(",")[0]) < total]
    text = "\n".join(["step,learning_rate,loss,norm", *kept]) + "\n"

    runfolder.write_bytes(path, text.encode())


def run(a: argparse.Namespace, world: World) -> None:
    """Trains, and tests the best weights."""
    begin = time.monotonic()
    recipe = settings(a, world)
    given = data.read(a.data, recipe)
    source = divide(given, a.val, recipe.seed)
    images = source.train
    # Statistics come from all training images, those for validation included.
    transform = data.Transform(recipe, given.train, recipe.seed)
    weighed = recipe
    if recipe.balanced:
        weights = data.balance(images, recipe.classes)
        weighed = replace(recipe, class_weights=weights)
    t = build(a, weighed, world)
    sampler = data.EpochSampler(
        len(images), recipe, world.rank, world.size, a.limit_batches
    )
    steps = sampler.steps
    if steps == 0:
        raise ValueError(f"{len(images)} images do not fill a batch of {recipe.batch}")
    display = Display(sys.stdout, steps, round(recipe.epochs * steps), recipe.batch)
    if display.end == 0:
        raise ValueError(f"--epochs {recipe.epochs:g} is less than a step")
    p = Progress()
    if (a.out / "checkpoint.pt").exists():
        p = load_checkpoint(a.out / "checkpoint.pt", t)
    if world.first:
        runfolder.begin(a.out, recipe, given, source, vars(a))
        introduce(a, t, source, p, display)
    train = loader_of(images, transform, sampler, a.workers)
    val = evaluation(a, source.val, transform, world, recipe)
    train_epochs(a, t, p, (train, val, sampler), display)
    finish(a, t, p, source, transform, time.monotonic() - begin)


def train_epochs(
    a: argparse.Namespace,
    t: Trainer,
    p: Progress,
    sets: tuple[
        DataLoader[tuple[Tensor, Tensor]],
        DataLoader[tuple[Tensor, Tensor]] | None,
        data.EpochSampler,
    ],
    display: Display,
) -> None:
    """Trains to the end of the run. sets are the images to train on, those for validation,
    and the sampler of the first.
    """
    train, val, sampler = sets
    t.freeze(p.epoch)
    t.wrap(a.compile)
    while (p.total < display.end or p.step > 0) and not stops(p, t.recipe):
        if t.freeze(p.epoch):
            t.wrap(a.compile)
        sampler.start(p.epoch, p.step)
        begin = time.monotonic()
        waited = train_epoch(a, t, p, train, display)
        end_epoch(a, t, p, val, display, (time.monotonic() - begin, waited))


def introduce(
    a: argparse.Namespace,
    t: Trainer,
    source: data.Source,
    p: Progress,
    display: Display,
) -> None:
    """Prints what is trained, with what and how, and readies the log of the steps."""
    r, world = t.recipe, t.world
    text = f"{r.run}: {parameters(t.model):,} parameters; {len(source.train)} training images"
    if source.val is not None:
        text += f", {len(source.val)} for validation"
    if source.test is not None:
        text += f", {len(source.test)} for the test at the end"
    print(text)
    o = r.optimizer
    epochs = "1 epoch" if r.epochs == 1 else f"{r.epochs:g} epochs"
    text = f"{o.kind}, learning rate {o.lr:g}, batch {r.batch}, {epochs}, "
    processes = f"{world.size} processes" if world.size > 1 else "1 process"
    text += f"seed {r.seed}, {processes} on {world.device.type}, into {a.out}"
    print(text, flush=True)
    if a.log_steps:
        prepare_log(a.out / "steps.csv", p.total)
    if p.total >= display.end and p.step == 0 or stops(p, r):
        epochs = f"{p.epoch} epochs" if p.epoch != 1 else "1 epoch"
        print(f"the run is finished, after {epochs}: no training is left to do")
    elif p.total > 0:
        print(f"goes on from epoch {p.epoch + 1}, step {p.step + 1}", flush=True)


def parameters(model: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(x.numel() for x in model.parameters())


def evaluation(
    a: argparse.Namespace,
    images: data.Images | None,
    transform: data.Transform,
    world: World,
    recipe: Recipe,
) -> DataLoader[tuple[Tensor, Tensor]] | None:
    """The batches to evaluate a set with."""
    if images is None:
        return None
    batch = max(recipe.batch // world.size, 1)
    sampler = data.EvaluationSampler(len(images), batch, world.rank, world.size)
    return loader_of(images, transform, sampler, a.workers)


def finish(
    a: argparse.Namespace,
    t: Trainer,
    p: Progress,
    source: data.Source,
    transform: data.Transform,
    took: float,
) -> None:
    """Writes the last weights, tests the best ones, and writes summary.json."""
    world = t.world
    if world.first:
        runfolder.save_weights(a.out / "last.safetensors", t.weights(), t.recipe)
    if world.size > 1:
        dist.barrier()
    best = a.out / "best.safetensors"
    facts = facts_of(a, t, p, source)
    test = source.test if source.test is not None else source.val
    loader = evaluation(a, test, transform, world, t.recipe)
    if loader is not None and best.exists():
        t.average = {}
        t.model.load_state_dict(load_file(best))
        score = t.evaluate(loader)
        part = "test" if source.test is not None else "val"
        facts |= {
            f"{part}_accuracy": score.accuracy,
            f"{part}_macro_f1": score.macro_f1,
            f"{part}_balanced_accuracy": score.balanced,
        }
        if part == "test":
            facts |= {"test_loss": score.loss, "test_images": score.images}
        if world.first:
            chosen = "on validation" if source.val is not None else "in training"
            print(
                f"{'test' if part == 'test' else 'validation'}: {100 * score.accuracy:.2f} %"
                f" of {score.images} images (epoch {p.best_epoch}, the best {chosen}), "
                f"loss {score.loss:.4f}"
            )
    if not world.first:
        return
    runfolder.write_summary(a.out, t.recipe, facts)
    waited = sum(row[7] for row in p.rows)
    print(
        f"{a.out}: weights and results.csv, after {short_time(took)}; "
        f"steps waited {waited:.1f} s for images\n"
        f"see it with incc eval, predict, view, compare, compile or gen go, "
        f"such as: incc eval {shlex.quote(str(a.out))}"
    )


def facts_of(
    a: argparse.Namespace, t: Trainer, p: Progress, source: data.Source
) -> dict[str, Any]:
    """What summary.json says of the training itself."""
    val = source.val
    best = p.rows[p.best_epoch - 1] if p.best_epoch else None
    return {
        "data": str(a.data),
        "params": parameters(t.model),
        "epochs": len(p.rows),
        "best_epoch": p.best_epoch,
        "train_images": len(source.train),
        "limit_batches": a.limit_batches or None,
        "val_images": len(val) if val is not None else 0,
        "train_seconds": sum(row[6] for row in p.rows),
        "wait_seconds": sum(row[7] for row in p.rows),
        "train_loss": p.rows[-1][2] if p.rows else 0.0,
        "train_accuracy": p.rows[-1][3] if p.rows else 0.0,
        "val_accuracy": best[5] if best and val is not None else None,
    }


def main() -> None:
    """Runs the command."""
    a = arguments()
    if a.threads > 0:
        torch.set_num_threads(a.threads)
    world = join_world()
    try:
        if world.first:
            runfolder.check(a.out)
        with runfolder.lock(a.out) if world.first else nullcontext():
            run(a, world)
    except (ValueError, ArithmeticError, OSError) as err:
        raise SystemExit(f"train.py: {err}") from err
    finally:
        if world.size > 1:
            dist.destroy_process_group()


if __name__ == "__main__":
    main()

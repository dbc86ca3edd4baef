"""How the spec trains the network: what its train, input and labels statements say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Optimizer:
    """An optimizer and its constants; see make_optimizer in train.py."""

    kind: str
    lr: float
    momentum: float = 0.0
    decay: float = 0.0  # weight decay
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.9
    eps: float = 1e-8


@dataclass(frozen=True)
class Schedule:
    """The learning rate by the epoch; see learning_rate in train.py."""

    kind: str = "constant"
    every: float = 1.0
    factor: float = 0.1
    power: float = 1.0
    warmup: float = 0.0  # epochs of linear warm-up
    floor: float = 0.0
    at: tuple[float, ...] = ()  # epochs of the drops of "step"


@dataclass(frozen=True)
class Augment:
    """One augment statement. The statements apply in order."""

    crop: int = 0
    pad: int = 0
    flip: float = 0.0
    area: tuple[float, float] = (0.0, 0.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    rotate: float = 0.0  # degrees
    shift: float = 0.0  # share of the side
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    lighting: float = 0.0
    erase: float = 0.0


@dataclass(frozen=True)
class Weight:
    """What is special about a weight."""

    rate: float = 1.0  # factor on the learning rate
    decay: float = 1.0  # factor on the weight decay and the penalties
    max_norm: float = 0.0  # bound on the norm of the weights of an output, 0 for none


@dataclass(frozen=True)
class Freeze:
    """Parts that keep their weights and running statistics."""

    parts: tuple[str, ...]
    until: int = 0  # the last epoch in which they are frozen, 0 for all


@dataclass(frozen=True)
class Recipe:
    """All settings of a training."""

    name: str
    run: str  # name of runs
    incc: str  # version of the incc that wrote this
    shape: tuple[int, int, int]  # channels, height and width of an input
    classes: int
    optimizer: Optimizer
    batch: int  # images of a step, of all processes together
    epochs: float
    seed: int
    schedule: Schedule = Schedule()
    labels: tuple[str, ...] = ()  # names of the classes
    loss: str = "xent"  # or "focal"
    smoothing: float = 0.0
    gamma: float = 0.0  # of the focal loss
    class_weights: tuple[float, ...] = ()
    balanced: bool = False  # weights of the classes that balance the training images
    head_weights: tuple[float, ...] = ()
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    clip_norm: float = 0.0
    clip_value: float = 0.0
    average: str = ""  # "polyak" or "ema"
    average_decay: float = 1.0
    patience: int = 0  # of early_stop, in epochs
    metric: str = "accuracy"  # of early_stop and the best epoch
    augment: tuple[Augment, ...] = ()
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_probability: float = 1.0
    gcn: bool = False
    zca: bool = False
    mean_std: bool = False
    mean_image: bool = False
    freeze: tuple[Freeze, ...] = ()
    # A pixel p of 0..255 becomes (low + (high - low) * p / 255 - mean) / std.
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    bgr: bool = False
    resize: int = 0  # shorter side before the middle is cut out, 0 to scale both sides

"""Writes the logits of torchvision's and Keras' networks with weights that are computed by a formula, for
TestBaselines of ../../baselines_test.go. Needs torch and torchvision, or tensorflow for keras:

    python golden/testdata/baselines/make.py torchvision > golden/testdata/baselines/torchvision.txt
    python golden/testdata/baselines/make.py keras > golden/testdata/baselines/keras.txt
"""
import sys

import numpy as np

SIDE = 64  # of the image


def uniform(index, n):
    """n numbers in 0..1 for the array with this index."""
    h = np.arange(n, dtype=np.uint64) * 2654435761 + index * 2246822519 & 0xFFFFFFFF
    h ^= h >> 15
    h = h * 2246822519 & 0xFFFFFFFF
    h ^= h >> 13
    h = h * 3266489917 & 0xFFFFFFFF
    h ^= h >> 16
    return h / 2.0**32


def values(index, kind, shape):
    """The array with this index; weights have the shape out x in x height x width."""
    u = uniform(index, int(np.prod(shape)))
    if kind == "weight":
        u = (2 * u - 1) * np.sqrt(6 / np.prod(shape[1:]))
    elif kind in ("gamma", "variance"):
        u = 0.5 + u
    else:  # bias, beta, mean
        u = 0.2 * (2 * u - 1)
    return u.reshape(shape)


def image():
    return (4 * uniform(9999, 3 * SIDE * SIDE) - 2).reshape(1, 3, SIDE, SIDE)


def show(name, logits):
    logits = logits.reshape(-1)
    print(name, "%.9g" % np.abs(logits).max(), *("%.9g" % x for x in logits[7::83]))


def torchvision():
    import torch
    import torchvision.models as models

    for spec, name in [("resnet50", "resnet50"), ("resnext50", "resnext50_32x4d"), ("mobilenet_v2", "mobilenet_v2"),
                       ("densenet121", "densenet121"), ("squeezenet", "squeezenet1_1")]:
        m = getattr(models, name)(weights=None).double().eval()
        state = {k: v for k, v in m.state_dict().items() if "num_batches" not in k}
        for i, (k, v) in enumerate(state.items()):
            norm = k.rsplit(".", 1)[0] + ".running_mean" in state
            kind = {"running_mean": "mean", "running_var": "variance", "bias": "bias", "weight": "gamma" if norm else "weight"}[k.rsplit(".", 1)[1]]
            v.copy_(torch.from_numpy(values(i, kind, tuple(v.shape))))
        with torch.no_grad():
            show(spec, m(torch.from_numpy(image())).numpy())


def keras():
    import keras as k
    import tensorflow as tf

    k.backend.set_floatx("float64")
    m = k.applications.MobileNet(input_shape=(SIDE, SIDE, 3), weights=None, classifier_activation=None)
    i = 0
    for layer in m.layers:
        new = []
        for w in layer.weights:
            name = w.path.rsplit("/", 1)[1]
            kind = {"kernel": "weight", "moving_mean": "mean", "moving_variance": "variance"}.get(name, name)
            shape = tuple(w.shape)
            if kind == "weight" or name == "depthwise_kernel":  # height x width x in x out, or x channels x 1
                h, wd, a, b = shape
                depth = isinstance(layer, k.layers.DepthwiseConv2D)
                v = values(i, "weight", (a, 1, h, wd) if depth else (b, a, h, wd))
                new.append(v.transpose(2, 3, 0, 1) if depth else v.transpose(2, 3, 1, 0))
            else:
                new.append(values(i, kind, shape))
            i += 1
        layer.set_weights(new)
    show("mobilenet_v1", m(tf.constant(image().transpose(0, 2, 3, 1))).numpy())


{"torchvision": torchvision, "keras": keras}[sys.argv[1]]()

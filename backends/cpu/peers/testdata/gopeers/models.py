"""Exports networks to ONNX in opset 13, which all of the runtimes know.

usage: python models.py DIR

Writes DIR/NAME.onnx for a small network for digits and some networks of torchvision, with
random weights, for one image. Existing files are kept.
"""
import os
import sys

import torch
import torchvision
from torch import nn


def digits():
    return nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for name, make, shape in [("digits", digits, (1, 28, 28))] + [
        (name, getattr(torchvision.models, name), (3, 224, 224)) for name in ("squeezenet1_1", "mobilenet_v2", "resnet18")
    ]:
        path = os.path.join(out, name + ".onnx")
        if not os.path.exists(path):
            torch.manual_seed(1)
            torch.onnx.export(make().eval(), (torch.randn(1, *shape),), path, input_names=["input"], output_names=["output"], opset_version=13, dynamo=False)


if __name__ == "__main__":
    main()

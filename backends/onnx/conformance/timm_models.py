"""Exports networks of timm to ONNX, with random weights as torch_models.py gives them.

usage: python timm_models.py OUT NAME...

Each network becomes the file OUT/NAME/model.onnx, for one picture of 224 pixels, exported by
TorchScript. Existing files are kept.
"""
import os
import sys

import timm
import torch

import torch_models

SIZE = 224


def main():
    out = sys.argv[1]
    for name in sys.argv[2:]:
        path = os.path.join(out, name, "model.onnx")
        if os.path.exists(path):
            continue
        torch.manual_seed(1)
        m = torch_models.settle(timm.create_model(name, pretrained=False, exportable=True), SIZE)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        torch_models.export(m, torch.randn(1, 3, SIZE, SIZE), path + ".part", "old", False)
        os.rename(path + ".part", path)
        print(path, flush=True)


if __name__ == "__main__":
    main()

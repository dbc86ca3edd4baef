"""Exports torchvision's networks to ONNX and records what ONNX Runtime computes.

usage: python torch_models.py [--native] OUT [NAME...]

Each case is a folder OUT/NAME.EXPORTER.BATCH with model.onnx, in.npy, and out_I.npy for each
output of ONNX Runtime. EXPORTER is old (TorchScript) or new (torch.export); BATCH is fixed (one
image) or dynamic (two images of a symbolic batch). Existing cases are kept. A case that
cannot be exported has a file error.txt instead. With --native, networks take pictures of 224
pixels (inception_v3 of 299), as they were trained, and only the cases NAME.old.fixed are made.

Random weights make most networks degenerate: their outputs hardly depend on the input. So
batch normalizations get random factors, and the statistics of two batches of noise.
"""
import os
import sys
import traceback
import warnings

import numpy as np
import onnxruntime as ort
import torch
import torchvision

warnings.filterwarnings("ignore")

# One network of each family of classification networks that are convolutional, with the
# size of its input in pixels.
CLASSIFY = {
    "alexnet": 224, "vgg11": 224, "vgg11_bn": 224, "googlenet": 224, "inception_v3": 224, "resnet18": 96, "resnet50": 96,
    "resnext50_32x4d": 96, "wide_resnet50_2": 96, "densenet121": 96, "squeezenet1_0": 96, "squeezenet1_1": 96,
    "mobilenet_v2": 96, "mobilenet_v3_small": 96, "mobilenet_v3_large": 96, "mnasnet0_5": 96, "shufflenet_v2_x0_5": 96,
    "shufflenet_v2_x1_0": 96, "efficientnet_b0": 96, "efficientnet_v2_s": 96, "regnet_x_400mf": 96, "regnet_y_400mf": 96,
    "convnext_tiny": 96,
}
SEGMENT = {"fcn_resnet50": 96, "deeplabv3_mobilenet_v3_large": 96, "lraspp_mobilenet_v3_large": 96}


class First(torch.nn.Module):
    """The output "out" of a segmentation network."""

    def __init__(self, m):
        super().__init__()
        self.m = m

    def forward(self, x):
        return self.m(x)["out"]


def network(name, native=False):
    torch.manual_seed(1)
    if name in SEGMENT:
        m = getattr(torchvision.models.segmentation, name)(weights=None, weights_backbone=None)
        m = First(m)
    elif name in ("googlenet", "inception_v3"):
        m = getattr(torchvision.models, name)(weights=None, aux_logits=True, init_weights=True)
    else:
        m = getattr(torchvision.models, name)(weights=None)
    size = {**CLASSIFY, **SEGMENT}[name]
    if native:
        size = 299 if name == "inception_v3" else 224
    return settle(m, size), size


def settle(m, size):
    """Gives a network of random weights activations that depend on its input."""
    bns = [b for b in m.modules() if isinstance(b, torch.nn.BatchNorm2d)]
    for b in bns:
        b.momentum = None
        torch.nn.init.uniform_(b.weight, 0.5, 1.5)
        torch.nn.init.normal_(b.bias, 0, 0.2)
    m.eval()
    for b in bns:
        b.train()
    with torch.no_grad():
        for _ in range(2):
            m(torch.randn(4, 3, size, size))
    for p in m.parameters():  # such as the small factors of ConvNeXt's layer scale
        if p.dim() == 3 and p.abs().max() < 1e-5:
            torch.nn.init.uniform_(p, 0.1, 0.5)
    return m.eval()


def export(m, x, path, exporter, dynamic):
    if exporter == "old":
        axes = {"input": {0: "batch"}, "output": {0: "batch"}} if dynamic else None
        torch.onnx.export(m, (x,), path, input_names=["input"], output_names=["output"], dynamic_axes=axes, dynamo=False)
        return
    shapes = ({0: torch.export.Dim("batch", min=1, max=1024)},) if dynamic else None
    torch.onnx.export(m, (x,), path, input_names=["input"], output_names=["output"], dynamic_shapes=shapes, dynamo=True,
                      external_data=False, verbose=False)


def record(path, x, folder):
    s = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.save(os.path.join(folder, "in.npy"), x)
    for i, y in enumerate(s.run(None, {s.get_inputs()[0].name: x})):
        np.save(os.path.join(folder, f"out_{i}.npy"), y)


def main():
    torch.set_num_threads(2)
    args = [a for a in sys.argv[1:] if a != "--native"]
    native = "--native" in sys.argv[1:]
    out, names = args[0], args[1:] or list(CLASSIFY) + list(SEGMENT)
    for name in names:
        m = None
        for exporter in ("old",) if native else ("old", "new"):
            for dynamic in (False,) if native else (False, True):
                folder = os.path.join(out, f"{name}.{exporter}.{'dynamic' if dynamic else 'fixed'}")
                if os.path.exists(os.path.join(folder, "out_0.npy")) or os.path.exists(os.path.join(folder, "error.txt")):
                    continue
                os.makedirs(folder, exist_ok=True)
                try:
                    if m is None:
                        m, size = network(name, native)
                    x = torch.randn(2 if dynamic else 1, 3, size, size, generator=torch.Generator().manual_seed(2))
                    path = os.path.join(folder, "model.onnx")
                    export(m, x, path, exporter, dynamic)
                    record(path, x.numpy(), folder)
                    print(folder, flush=True)
                except Exception as e:
                    traceback.print_exc()
                    with open(os.path.join(folder, "error.txt"), "w") as f:
                        f.write(f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}\n")


if __name__ == "__main__":
    main()

"""Makes what TestPyTorchToGo takes to Go: MobileNet v2 of torchvision with random weights.

usage: python make.py OUT CONFORMANCE

Writes into OUT: mobilenet_v2.pth by torch.save, mobilenet_v2.onnx, 100 pictures, and the
logits that PyTorch computes for them. CONFORMANCE is the folder of torch_models.py, which
makes a network whose outputs depend on its input.
"""
import os
import sys

import numpy as np
import torch
from PIL import Image

out, conformance = sys.argv[1:]
sys.path.insert(0, conformance)
from torch_models import network  # noqa: E402

m, size = network("mobilenet_v2", native=True)
torch.save(m.state_dict(), os.path.join(out, "mobilenet_v2.pth"))
torch.onnx.export(m, (torch.randn(1, 3, size, size),), os.path.join(out, "mobilenet_v2.onnx"), input_names=["input"], output_names=["output"], dynamo=False)
r = np.random.default_rng(1)
pictures = []
for i in range(100):
    small = r.integers(0, 256, (3 + i % 9, 2 + i % 7, 3), dtype=np.uint8)  # patches of colour, with noise
    p = np.asarray(Image.fromarray(small).resize((size, size), Image.NEAREST)).astype(np.int16) + r.integers(-20, 21, (size, size, 3))
    p = p.clip(0, 255).astype(np.uint8)
    Image.fromarray(p).save(os.path.join(out, f"{i}.png"))
    pictures.append(p)
mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
x = ((np.stack(pictures) / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
with torch.no_grad():
    y = torch.cat([m(torch.from_numpy(x[i : i + 10])) for i in range(0, 100, 10)])
y.numpy().astype("<f4").tofile(os.path.join(out, "logits.f32"))

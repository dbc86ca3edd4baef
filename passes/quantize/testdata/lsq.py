"""Expected values of Weights.Step, by PyTorch: python lsq.py > lsq.json"""
import json
import math

import torch

torch.manual_seed(2)
rows, row = 3, 20
x = (torch.randn(rows, row)).requires_grad_()
s = torch.tensor([0.02, 0.01, 0.013], requires_grad=True)  # that of row 1 cuts some weights off
factor = 1 / math.sqrt(row * 127)
y = torch._fake_quantize_learnable_per_channel_affine(x, s, torch.zeros(rows), 0, -127, 127, factor)
dy = torch.randn(rows, row)
y.backward(dy)


def flat(t):
    return [float("%.9g" % v) for v in t.detach().flatten().tolist()]


print(json.dumps({"x": flat(x), "steps": flat(s), "y": flat(y), "dy": flat(dy), "dx": flat(x.grad), "dsteps": flat(s.grad)}))

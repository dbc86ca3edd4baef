"""Expected values of fake_quantize, by PyTorch: python fake_quantize.py > fake_quantize.json"""
import json

import torch

torch.manual_seed(1)


def flat(t):
    return [float("%.9g" % v) for v in t.detach().flatten().tolist()]


out = []
for signed, n, scale, factor in [(False, 24, 0.05, 0.3), (True, 24, 0.02, 1.0), (False, 12, 0.5, 0.01)]:
    x = torch.randn(n) * (2 if signed else 4) * (10 if scale == 0.5 else 1)
    x.requires_grad_()
    s = torch.tensor([scale], requires_grad=True)
    low, high = (-128, 127) if signed else (0, 255)
    y = torch._fake_quantize_learnable_per_tensor_affine(x, s, torch.zeros(1), low, high, factor)
    dy = torch.randn(n)
    y.backward(dy)
    out.append({"signed": signed, "factor": factor, "step": flat(s), "x": flat(x), "dy": flat(dy), "y": flat(y), "dx": flat(x.grad), "dstep": flat(s.grad)})
print(json.dumps(out))

"""Writes mix.json: pictures that timm's Mixup mixed with a share and middle of the
rectangle that are given instead of drawn. Needs timm 1.0.31 and PyTorch.

    python3 mix.py > mix.json
"""
import json

import numpy as np
import torch
from timm.data import mixup

N, C, H, W = 4, 2, 5, 6
CASES = [("mixup", .3, 0, 0), ("mixup", .75, 0, 0), ("cutmix", .6, 2, 3), ("cutmix", .6, 0, 5), ("cutmix", .1, 4, 1), ("cutmix", .97, 2, 2)]

images = torch.arange(N * C * H * W, dtype=torch.float32).reshape(N, C, H, W)
cases = []
for kind, share, y, x in CASES:
    m = mixup.Mixup(mixup_alpha=1, cutmix_alpha=1, label_smoothing=0, num_classes=N, mode="batch")
    m._params_per_batch = lambda: (share, kind == "cutmix")
    middle = iter([y, x])
    mixup.np.random.randint = lambda *a, **k: next(middle)
    got, targets = m(images.clone(), torch.arange(N))
    cases.append({"kind": kind, "share": share, "y": y, "x": x, "images": got.flatten().tolist(), "targets": targets.flatten().tolist()})
print("{")
print('"shape": ' + json.dumps([N, C, H, W]) + ",")
print('"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]")
print("}")

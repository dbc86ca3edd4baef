"""Writes a small detector that ends with its boxes, and what ONNX Runtime computes with it.

usage: python detector.py FOLDER    (torch, torchvision, onnxruntime, numpy)

The model has a score threshold (NonZero), a TopK whose k is known only at run time, and a
suppression of overlapping boxes for each class (NonMaxSuppression inside an If).
detector.json has inputs and outputs; the last input leaves no box.
"""
import json
import sys

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import nn


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.scores, self.boxes = nn.Conv2d(8, 2, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        f = self.features(x)
        scores = self.scores(f).flatten(2)[0].t().sigmoid()
        b = self.boxes(f).flatten(2)[0].t().tanh()
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        middle = torch.stack([x.flatten(), y.flatten()], 1) * 4 + b[:, :2] * 4
        half = torch.exp(b[:, 2:]) * 4
        boxes = torch.cat([middle - half, middle + half], 1).clamp(0, 32)
        all_boxes, all_scores, all_labels = [], [], []
        for label in range(2):
            s = scores[:, label]
            keep = torch.where(s > 0.5)[0]
            s, c = s[keep], boxes[keep]
            k = torchvision.models.detection._utils._topk_min(s, 20, 0)
            s, at = s.topk(k)
            all_boxes.append(c[at])
            all_scores.append(s)
            all_labels.append(torch.full_like(s, label, dtype=torch.int64))
        boxes, scores, labels = torch.cat(all_boxes), torch.cat(all_scores), torch.cat(all_labels)
        keep = torchvision.ops.batched_nms(boxes, scores, labels, 0.4)[:12]
        return boxes[keep], scores[keep], labels[keep]


def main():
    torch.manual_seed(2)
    m = Detector().eval()
    for p in m.parameters():
        nn.init.normal_(p, 0, 0.4)
    path = sys.argv[1] + "/detector.onnx"
    x = torch.randn(1, 3, 32, 32)
    torch.onnx.export(m, (x,), path, opset_version=17, dynamo=False, input_names=["image"], output_names=["boxes", "scores", "labels"],
                      dynamic_axes={"boxes": [0], "scores": [0], "labels": [0]})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    cases = []
    for seed, scale in [(1, 1.0), (2, 0.5), (3, 0.2), (4, 0.0)]:
        x = np.random.RandomState(seed).uniform(-scale, scale, (1, 3, 32, 32)).astype(np.float32).round(2)
        if scale == 0:
            x -= 3
        out = session.run(None, {"image": x})
        print([o.shape for o in out])
        cases.append({"input": [round(float(v), 2) for v in x.ravel()], "shapes": [list(o.shape) for o in out], "outputs": [[round(float(v), 6) for v in o.ravel()] for o in out]})
    with open(sys.argv[1] + "/detector.json", "w") as f:
        json.dump(cases, f, separators=(",", ":"))


main()

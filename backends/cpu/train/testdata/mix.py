"""Writes mix.json: losses of mixed labels and their gradients, by PyTorch. Plain and
smoothed, they are those of cross_entropy with soft targets. With weights of classes, the
sum is divided by the sum of the weights of the labels. The focal loss is the mean of the
losses for both labels by their shares (Lin 2017, equation 4).

    python3 mix.py > mix.json
"""
import json

import torch
from torch.nn import functional as F

torch.manual_seed(4)
N, C = 5, 4
LABELS, OTHERS, SHARE = [0, 3, 1, 2, 3], [3, 2, 1, 3, 0], .7
WEIGHTS = [1, 2.5, .5, 4]

labels, others = torch.tensor(LABELS), torch.tensor(OTHERS)
weights = torch.tensor(WEIGHTS, dtype=torch.float64)
targets = SHARE * F.one_hot(labels, C).double() + (1 - SHARE) * F.one_hot(others, C).double()
table = (2 * torch.randn(N, C, dtype=torch.float64)).float().double()


def focal(x, gamma, weights):
    def one(l):
        log = F.log_softmax(x, 1).gather(1, l[:, None])[:, 0]
        return (-weights[l] * (1 - log.exp()) ** gamma * log).sum() / weights[l].sum()
    return SHARE * one(labels) + (1 - SHARE) * one(others)


ones = torch.ones(C, dtype=torch.float64)
LOSSES = {
    "plain": (0, 0, [], lambda x: F.cross_entropy(x, targets)),
    "smoothed": (.1, 0, [], lambda x: F.cross_entropy(x, targets, label_smoothing=.1)),
    "weighted": (0, 0, WEIGHTS, lambda x: F.cross_entropy(x, targets, weight=weights, reduction="sum") / weights[labels].sum()),
    "focal": (0, 2, [], lambda x: focal(x, 2, ones)),
    "weighted focal": (0, 1.5, WEIGHTS, lambda x: focal(x, 1.5, weights)),
}
assert weights[labels].sum() == weights[others].sum()
cases = []
for name, (smoothing, gamma, w, loss) in LOSSES.items():
    x = table.clone().requires_grad_()
    l = loss(x)
    l.backward()
    cases.append({"name": name, "smoothing": smoothing, "gamma": gamma, "weights": w, "loss": l.item(), "grad": x.grad.flatten().tolist()})
print("{")
print('"classes": %d, "labels": %s, "others": %s, "share": %g,' % (C, LABELS, OTHERS, SHARE))
print('"logits": ' + json.dumps(table.flatten().tolist()) + ",")
print('"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]")
print("}")

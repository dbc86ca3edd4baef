"""Writes errors.json: errors of low-rank approximations as numpy computes them.

    python3 passes/lowrank/testdata/errors.py > passes/lowrank/testdata/errors.json
"""
import json

import numpy as np

cases = []
for seed, shape in enumerate([(6, 5, 3, 3), (4, 9, 1, 1), (9, 4, 5, 2)]):
    rng = np.random.default_rng(seed)
    o, c, h, w = shape
    x = np.einsum("oa,acij->ocij", rng.normal(size=(o, 3)), rng.normal(size=(3, c, h, w)))
    x = (x + 0.3 * rng.normal(size=shape)).astype(np.float32)
    y = x.astype(np.float64)
    norm = np.linalg.norm(y)
    # The higher-order singular value decomposition over o and c.
    u = np.linalg.svd(y.reshape(o, -1), full_matrices=True)[0]
    v = np.linalg.svd(y.transpose(1, 0, 2, 3).reshape(c, -1), full_matrices=True)[0]
    tucker = []
    for out in range(1, o + 1):
        for inp in range(1, c + 1):
            a, b = u[:, :out], v[:, :inp]
            core = np.einsum("ocij,oa,cb->abij", y, a, b)
            approx = np.einsum("abij,oa,cb->ocij", core, a, b)
            tucker.append([out, inp, np.linalg.norm(y - approx) / norm])
    # The best approximation as h x 1 and 1 x w filters: rows (c,i), columns (j,o).
    s = np.linalg.svd(y.transpose(1, 2, 3, 0).reshape(c * h, w * o), compute_uv=False)
    pair = [float(np.sqrt((s[r:] ** 2).sum()) / norm) for r in range(1, len(s) + 1)]
    # The best approximation of the filters as a matrix [O, C KH KW].
    s = np.linalg.svd(y.reshape(o, -1), compute_uv=False)
    matrix = [float(np.sqrt((s[r:] ** 2).sum()) / norm) for r in range(1, len(s) + 1)]
    cases.append({"shape": shape, "weights": x.ravel().tolist(), "tucker": tucker, "pair": pair, "matrix": matrix})
print(json.dumps(cases))

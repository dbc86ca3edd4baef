"""Writes the nine classic networks in the test data of the Python package onnx.

usage: python onnx_models.py OUT

Each case is a folder OUT/NAME.fixed with model.onnx, in.npy (noise), and out_I.npy for each output
of ONNX Runtime. All elements of a weight are one number, so these cases are about the forms of
the models, not about the numbers.
"""
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime as ort

out = sys.argv[1]
data = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
for f in sorted(os.listdir(os.path.join(data, "light"))):
    if not f.endswith(".onnx"):
        continue
    folder = os.path.join(out, f.removeprefix("light_").removesuffix(".onnx") + ".fixed")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    shutil.copy(os.path.join(data, "light", f), path)
    s = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = s.get_inputs()[0]
    v = np.random.default_rng(1).normal(size=[d if isinstance(d, int) else 1 for d in x.shape]).astype("f4")
    np.save(os.path.join(folder, "in.npy"), v)
    for i, y in enumerate(s.run(None, {x.name: v})):
        np.save(os.path.join(folder, f"out_{i}.npy"), y)

"""Writes the models in the test data of the Python package onnx, with expected outputs.

usage: python onnx_models.py OUT

Each case is a folder OUT/NAME with model.onnx and the tensors of its first data set, in_I.pb and
out_I.pb. The nine classic networks (light.NAME) have weights of one number each; their input is
noise, and their outputs are those of ONNX Runtime.
"""
import os
import shutil
import sys

import numpy as np
import onnx
import onnxruntime as ort

out = sys.argv[1]
data = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
for kind in ("pytorch-converted", "pytorch-operator", "simple"):
    for name in sorted(os.listdir(os.path.join(data, kind))):
        source, folder = os.path.join(data, kind, name), os.path.join(out, f"{kind}.{name.removeprefix('test_')}")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(source, "model.onnx"), folder)
        sets = os.path.join(source, "test_data_set_0")
        for f in os.listdir(sets) if os.path.isdir(sets) else []:
            shutil.copy(os.path.join(sets, f), os.path.join(folder, f.replace("input_", "in_").replace("output_", "out_")))
for f in sorted(os.listdir(os.path.join(data, "light"))):
    if not f.endswith(".onnx"):
        continue
    folder = os.path.join(out, "light." + f.removeprefix("light_").removesuffix(".onnx"))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "model.onnx")
    shutil.copy(os.path.join(data, "light", f), path)
    s = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = s.get_inputs()[0]
    v = np.random.default_rng(1).normal(size=[d if isinstance(d, int) else 1 for d in x.shape]).astype("f4")
    np.save(os.path.join(folder, "in.npy"), v)
    for i, y in enumerate(s.run(None, {x.name: v})):
        np.save(os.path.join(folder, f"out_{i}.npy"), y)

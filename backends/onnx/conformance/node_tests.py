"""Writes the node tests of the Python package onnx.

usage: python node_tests.py OUT

Each case is a folder OUT/NAME with model.onnx, in_I.pb and out_I.pb (TensorProto) for the first
data set. rtol.txt has the tolerances rtol and atol. A value that is no tensor, such as a
sequence, has no file.
"""
import os
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_node_model_tests

warnings.filterwarnings("ignore")


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    n = 0
    for c in load_node_model_tests():
        folder = os.path.join(out, c.name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "model.onnx"), "wb") as f:
            f.write(c.model.SerializeToString())
        with open(os.path.join(folder, "rtol.txt"), "w") as f:
            f.write(f"{c.rtol} {c.atol}\n")
        inputs, outputs = c.data_sets[0]
        for kind, list_, infos in (("in", inputs, c.model.graph.input), ("out", outputs, c.model.graph.output)):
            for i, (v, info) in enumerate(zip(list_, infos)):
                if not info.type.HasField("tensor_type"):
                    continue
                t = v if isinstance(v, onnx.TensorProto) else numpy_helper.from_array(np.asarray(v), info.name)
                t.name = info.name
                with open(os.path.join(folder, f"{kind}_{i}.pb"), "wb") as f:
                    f.write(t.SerializeToString())
        n += 1
    print(n, "cases")


main()

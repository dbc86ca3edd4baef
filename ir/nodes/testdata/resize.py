"""Writes what ONNX Runtime computes for Resize along one axis: every mode, every transformation of
coordinates, scales and sizes that are no whole multiples.

usage: python resize.py > resize.json    (onnx, onnxruntime, numpy)
"""
import json

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

X = np.array([0.5, -1.25, 2, 0.125, -0.75, 1.5, 3], np.float32)


def run(attrs, kind, value):
    crop = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
    roi = np.array([0, 0.1, 1, 0.8] if crop else [], np.float32)
    scales = kind == "scales"
    inits = [helper.make_tensor("roi", TensorProto.FLOAT, [len(roi)], roi),
             helper.make_tensor("s", TensorProto.FLOAT if scales else TensorProto.INT64, [2], [1, value])]
    node = helper.make_node("Resize", ["x", "roi", "s"] if scales else ["x", "roi", "", "s"], ["y"], **attrs)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 7])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    model.ir_version = 9
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": X[None]})[0][0]


cases = []
for mode in ["nearest", "linear", "cubic"]:
    for coordinates in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn"]:
        for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] if mode == "nearest" else [""]:
            for kind, value in [("scales", 1.3), ("scales", 0.6), ("scales", 2.5), ("scales", 2), ("scales", 1 / 7), ("sizes", 3), ("sizes", 1), ("sizes", 13)]:
                attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
                if nearest:
                    attrs["nearest_mode"] = nearest
                y = run(attrs, kind, value)
                words = [f"{k}:{v}" for k, v in attrs.items()] + [f"{kind}:{np.float32(value) if kind == 'scales' else value}"]
                if coordinates == "tf_crop_and_resize":
                    words.append("roi:0.1,0.8")
                cases.append({"attrs": ";".join(sorted(words)), "y": [round(float(v), 5) for v in y]})
print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")

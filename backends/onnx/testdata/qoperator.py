"""Small models that ONNX Runtime quantized, and what it computes with them: python qoperator.py"""
import json

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

rng = np.random.default_rng(3)
inits = []


def weight(name, *shape):
    inits.append(numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32), name))
    return name


def conv(x, y, ci, co, k, act=True):
    nodes = [helper.make_node("Conv", [x, weight(y + "/w", co, ci, k, k), weight(y + "/b", co)], [y + ("/c" if act else "")], pads=[k // 2] * 4, kernel_shape=[k, k])]
    return nodes + ([helper.make_node("Relu", [y + "/c"], [y])] if act else [])


nodes = conv("x", "c0", 3, 8, 3) + conv("c0", "a", 8, 6, 1) + conv("c0", "b", 8, 6, 3)
nodes += [helper.make_node("AveragePool", ["c0"], ["p"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)]
nodes += [helper.make_node("Concat", ["a", "b", "p"], ["cat"], axis=1), helper.make_node("MaxPool", ["cat"], ["m"], kernel_shape=[2, 2], strides=[2, 2])]
nodes += conv("m", "r1", 20, 20, 3, act=False)
nodes += [helper.make_node("Add", ["r1", "m"], ["s"]), helper.make_node("Relu", ["s"], ["sr"]), helper.make_node("GlobalAveragePool", ["sr"], ["g"]), helper.make_node("Flatten", ["g"], ["f"])]
nodes += [helper.make_node("Gemm", ["f", weight("fc/w", 5, 20), weight("fc/b", 5)], ["y"], transB=1)]
shape = [1, 3, 8, 8]
graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])], inits)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "/tmp/qoperator_float.onnx")


class Pictures(CalibrationDataReader):
    def __init__(self):
        self.left = [rng.random(shape, dtype=np.float32) for _ in range(8)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


x = np.round(rng.random(shape) * 256) / 256
out = {"x": x.ravel().tolist(), "models": {}}
for name, form, per_channel, kind in [("qoperator_u8", "QOperator", True, "QUInt8"), ("qoperator_s8", "QOperator", False, "QInt8"), ("qdq_u8", "QDQ", True, "QUInt8"), ("qdq_s8", "QDQ", False, "QInt8")]:
    path = name + ".onnx"
    quantize_static("/tmp/qoperator_float.onnx", path, Pictures(), quant_format=getattr(QuantFormat, form), per_channel=per_channel, activation_type=getattr(QuantType, kind), weight_type=QuantType.QInt8)
    y = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x.astype(np.float32)})[0].ravel()
    m = onnx.load(path)
    last = [n for n in m.graph.node if n.op_type == "DequantizeLinear" and n.output[0] == "y"]
    scale = [numpy_helper.to_array(t) for t in m.graph.initializer if last and t.name == last[0].input[1]]
    out["models"][path] = {"ops": sorted({n.op_type for n in m.graph.node}), "step": float(scale[0]) if scale else 0, "y": [float(v) for v in y]}
with open("qoperator.json", "w") as f:
    json.dump(out, f)

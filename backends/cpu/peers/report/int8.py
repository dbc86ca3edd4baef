"""Quantizes a model by onnxruntime.quantization: QDQ, a scale for each channel of weights, unsigned
activations, ranges from one input. Arguments: the model, the input as float32s, the file to write."""

import sys

import numpy
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

model, data, output = sys.argv[1:]
quant_pre_process(model, model)
inputs = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0]
shape = [d if isinstance(d, int) else 1 for d in inputs.shape]
image = numpy.fromfile(data, "<f4").reshape(shape)


class Reader(quantization.CalibrationDataReader):
    left = [{inputs.name: image}]

    def get_next(self):
        return self.left.pop() if self.left else None


quantization.quantize_static(
    model,
    output,
    Reader(),
    quant_format=quantization.QuantFormat.QDQ,
    per_channel=True,
    activation_type=quantization.QuantType.QUInt8,
    weight_type=quantization.QuantType.QInt8,
)

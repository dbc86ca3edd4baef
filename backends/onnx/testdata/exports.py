"""Writes the small models in testdata/exports, which TestMutatedExports changes.

usage: python exports.py OUT, with torch and onnxscript; python exports.py OUT keras, with tensorflow and tf2onnx

old.onnx comes from the exporter of TorchScript, for any batch; new.onnx with new.onnx.data from that
of torch.export, the weights beside it; keras.onnx from tf2onnx.
"""
import os
import sys


def torch_models(out):
    import onnx
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.SiLU())
            self.a, self.b = nn.Conv2d(6, 4, 1), nn.Sequential(nn.Conv2d(6, 4, 3, padding=1, groups=2), nn.Hardswish())
            self.up, self.norm, self.fc = nn.ConvTranspose2d(8, 4, 2, 2), nn.LayerNorm(4), nn.Linear(4, 5)

        def forward(self, x):
            y = self.stem(x)
            y = torch.cat([self.a(y), self.b(y)], 1)
            p, q = nn.functional.max_pool2d(y, 3, 2, 1).chunk(2, 1)
            z = self.up(y) + nn.functional.interpolate(p * q.sigmoid(), scale_factor=4.0, mode="bilinear")
            t = self.norm(z.flatten(2).transpose(1, 2))
            t = t + torch.softmax(t @ t.transpose(1, 2) / 2.0, -1) @ t
            return self.fc(t.mean(1)), z.view(x.size(0), -1)

    torch.manual_seed(1)
    m, x = Net().eval(), torch.randn(2, 3, 8, 8)
    torch.onnx.export(m, (x,), os.path.join(out, "old.onnx"), input_names=["x"], dynamic_axes={"x": {0: "batch"}}, dynamo=False)
    path = os.path.join(out, "new.onnx")
    torch.onnx.export(m, (x,), path, input_names=["x"], dynamo=True, external_data=False, verbose=False)
    p = onnx.load(path)
    for n in p.graph.node:  # where each node comes from in the Python source, which no reader needs
        del n.metadata_props[:]
    onnx.save(p, path, save_as_external_data=True, location="new.onnx.data", size_threshold=64)


def keras_model(out):
    import keras
    import tensorflow as tf
    import tf2onnx
    from keras import layers

    x = keras.Input((9, 9, 3), name="x")
    y = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(layers.ZeroPadding2D()(layers.Rescaling(1 / 127.5, -1)(x)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.Concatenate()([layers.DepthwiseConv2D(3, padding="same", activation="relu")(y), layers.UpSampling2D()(layers.MaxPooling2D(2)(y))])
    y = layers.Dense(4, activation="softmax")(layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(y)))
    m = keras.Model(x, y)
    f = tf.function(lambda v: m(v), input_signature=[tf.TensorSpec((None, 9, 9, 3), tf.float32, name="x")])
    tf2onnx.convert.from_function(f, input_signature=f.input_signature, opset=17, output_path=os.path.join(out, "keras.onnx"))


os.makedirs(sys.argv[1], exist_ok=True)
(keras_model if sys.argv[2:] == ["keras"] else torch_models)(sys.argv[1])

"""Exports convolutional networks of Keras applications to ONNX with tf2onnx and records what
ONNX Runtime computes.

usage: python keras_models.py OUT [NAME...]

Each case is a folder OUT/NAME.BATCH with model.onnx, in.npy, and out_I.npy for each output of
ONNX Runtime. BATCH is fixed (one image) or dynamic (two images of a symbolic batch). Existing
cases are kept. Batch normalizations get the statistics of noise, so that the outputs depend
on the input.
"""
import os
import sys
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import onnxruntime as ort
import tensorflow as tf
import tf2onnx

NAMES = {
    "MobileNet": 96, "MobileNetV2": 96, "MobileNetV3Small": 96, "ResNet50": 96, "ResNet50V2": 96, "DenseNet121": 96, "VGG16": 96,
    "InceptionV3": 160, "Xception": 128, "EfficientNetB0": 96, "EfficientNetV2B0": 96, "NASNetMobile": 224, "ConvNeXtTiny": 96,
    "InceptionResNetV2": 160,
}


def network(name):
    keras.utils.set_random_seed(1)
    size = NAMES[name]
    # Without the softmax, which would hide most differences.
    kwargs = {"include_top": False} if name == "VGG16" else {"classifier_activation": None}
    m = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), **kwargs)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(8, size, size, 3)).astype("f4")
    # One pass over noise layer by layer sets the statistics of each batch normalization.
    bns = [x for x in m.layers if isinstance(x, keras.layers.BatchNormalization)]
    for x in bns:
        x.momentum = 0.0
    if bns:
        m(noise, training=True)
    for x in m.weights:
        if x.name == "gamma" and len(x.shape) == 1:
            x.assign(rng.uniform(0.5, 1.5, x.shape).astype("f4"))
    return m, size


def main():
    out, names = sys.argv[1], sys.argv[2:] or list(NAMES)
    for name in names:
        m = None
        for dynamic in (False, True):
            folder = os.path.join(out, f"{name}.{'dynamic' if dynamic else 'fixed'}")
            if os.path.exists(os.path.join(folder, "out_0.npy")) or os.path.exists(os.path.join(folder, "error.txt")):
                continue
            os.makedirs(folder, exist_ok=True)
            try:
                if m is None:
                    m, size = network(name)
                path = os.path.join(folder, "model.onnx")
                spec = (tf.TensorSpec((None if dynamic else 1, size, size, 3), tf.float32, name="input"),)
                f = tf.function(lambda x: m(x, training=False), input_signature=spec)
                tf2onnx.convert.from_function(f, input_signature=spec, opset=17, output_path=path)
                x = np.random.default_rng(2).normal(size=(2 if dynamic else 1, size, size, 3)).astype("f4")
                s = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
                np.save(os.path.join(folder, "in.npy"), x)
                for i, y in enumerate(s.run(None, {s.get_inputs()[0].name: x})):
                    np.save(os.path.join(folder, f"out_{i}.npy"), y)
                print(folder, flush=True)
            except Exception as e:
                traceback.print_exc()
                with open(os.path.join(folder, "error.txt"), "w") as f:
                    f.write(f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}\n")


main()

# Makes flat.*, python make_keras.py, with keras 3.15.1: a network that flattens a map, whose normalization has no
# gamma, in the forms of Keras, and an input and the output of Keras with the axes of incc.
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(2)
L = keras.layers
m = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3, strides=2, padding="same", use_bias=False), L.BatchNormalization(scale=False), L.ReLU(),
                      L.DepthwiseConv2D(3, padding="same"), L.Flatten(), L.Dense(5, activation="softmax")])
for w in m.weights:
    w.assign(rng.uniform(0.5, 1.5, w.shape) if "variance" in w.path else rng.standard_normal(w.shape) * 0.4)
m.save("flat.keras")
m.save("flat.h5")
m.save_weights("flat.weights.h5")
x = rng.uniform(-1, 1, (2, 6, 6, 3)).astype("f4")
np.save("flat_x.npy", x.transpose(0, 3, 1, 2))
np.save("flat_y.npy", m(x, training=False).numpy())

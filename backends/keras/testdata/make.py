# Makes the files of this folder: python make.py, with keras 3.15.1 (TensorFlow) and tf_keras 2.21.
#
# small: a Functional model with a model inside, as .keras, .h5 and .weights.h5 of Keras 3.
# layers: a model of many layers. two: two inputs and outputs, and a shared layer.
# old: a model of Keras 2 (tf_keras), as .h5, .keras and weights.
# NAME_x.npy and NAME_y.npy are an input and the output that Keras computes.
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tf_keras

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(1)


def fill(m):
    for w in m.weights:
        n = w.name.split("/")[-1].split(":")[0]
        if "kernel" in n:
            w.assign(rng.standard_normal(w.shape) * np.sqrt(2 / np.prod(w.shape[:-1])))
        elif "variance" in n or "gamma" in n:
            w.assign(rng.uniform(0.5, 1.5, w.shape))
        elif n in ("bias", "beta", "moving_mean", "mean", "alpha"):
            w.assign(rng.standard_normal(w.shape) * 0.2)


def expect(name, m, *xs):
    xs = [x.astype("f4") for x in xs]
    ys = m(xs[0] if len(xs) == 1 else xs, training=False)
    ys = ys if isinstance(ys, (list, tuple)) else [ys]
    for suffix, arrays in (("x", xs), ("y", ys)):
        for i, a in enumerate(arrays):
            np.save(f"{name}_{suffix}{i if i else ''}.npy", np.asarray(a))


def small(k, depth_name=None):
    L = k.layers
    inp = k.Input((8, 8, 3))
    x = L.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(inp)
    x = L.BatchNormalization(scale=False)(x)
    x = L.ReLU(6.0)(x)
    y = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    y = L.SeparableConv2D(8, 3, padding="same")(y)
    inner = k.Sequential([L.Conv2D(8, 1, name="inside", input_shape=(4, 4, 8)) if k is tf_keras else L.Conv2D(8, 1, name="inside"),
                          L.BatchNormalization(center=False)], name="inner")
    y = inner(y)
    x = L.Conv2D(8, 1, activation="hard_sigmoid")(x)
    x = L.add([x, y])
    x = L.Flatten()(x)
    return k.Model(inp, L.Dense(5, activation="softmax")(x))


keras.backend.clear_session()
m = small(keras)
fill(m)
m.save("small.keras")
m.save("small.h5")
m.save_weights("small.weights.h5")
expect("small", m, rng.uniform(-1, 1, (2, 8, 8, 3)))

m = small(tf_keras)
fill(m)
m.save("old.h5")
m.save("old.keras")
m.save_weights("old_weights.h5")
expect("old", m, rng.uniform(-1, 1, (2, 8, 8, 3)))

L = keras.layers
inp = keras.Input((9, 10, 3))
x = L.Rescaling(1 / 127.5, offset=-1)(inp)
n = L.Normalization()
n.build((None, 9, 10, 3))
x = n(x)
x = L.RandomFlip("horizontal")(x)
x = L.ZeroPadding2D(((1, 0), (2, 1)))(x)
x = L.Conv2D(6, (3, 2), strides=(1, 2), padding="valid", groups=3, activation="silu")(x)
x = L.LayerNormalization()(x)
x = L.PReLU(shared_axes=[1, 2])(x)
x = L.Conv2D(4, 3, dilation_rate=2, padding="same", activation="gelu")(x)
x = L.Cropping2D(((1, 0), (0, 1)))(x)
x = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="tanh")(x)
x = L.Conv2DTranspose(4, 2, strides=3, activation="leaky_relu")(x)
x = L.AveragePooling2D(3, strides=2, padding="same")(x)
x = L.MaxPooling2D(3, strides=2, padding="same")(x)
x = L.UpSampling2D(2)(x)
x = L.UpSampling2D((1, 2), interpolation="bilinear")(x)
a = L.Activation("softplus")(x)
b = L.LeakyReLU(negative_slope=0.1)(x)
c = L.ELU(0.5)(x)
d = L.ReLU(negative_slope=0.2)(x)
x = L.Concatenate()([L.Average()([a, b]), L.Maximum()([c, d]), L.Minimum()([a, d]), L.Subtract()([a, c])])
x = L.Conv2D(6, 1, activation="hard_silu")(x)
s = L.GlobalAveragePooling2D(keepdims=True)(x)
s = L.Conv2D(6, 1, activation="sigmoid")(s)
x = L.Multiply()([x, s])
x = (x + 3.0) * (1 / 6) - 0.5
x = L.Softmax(axis=-1)(x)
x = L.Dropout(0.5)(x)
x = L.Dense(5, activation="elu")(x)
t = L.GlobalMaxPooling2D()(x)
t = L.Reshape((1, 1, 5))(t)
x = L.Add()([x, t])
x = L.Concatenate(axis=1)([x, x])
x = L.MaxPooling2D(4)(x)
x = L.Flatten()(x)
x = L.Dense(7, use_bias=False, activation="selu")(x)
x = L.BatchNormalization(center=False, scale=False)(x)
m = keras.Model(inp, x)
fill(m)
m.save("layers.keras")
m = keras.models.load_model("layers.keras")  # Normalization takes over its weights when it is loaded
expect("layers", m, rng.uniform(0, 255, (2, 9, 10, 3)))

p, q = keras.Input((6, 6, 2), name="p"), keras.Input((6, 6, 2), name="q")
shared = L.Conv2D(3, 3, padding="same", activation="relu", name="shared")
u, v = shared(p), shared(q)
m = keras.Model([p, q], [L.Conv2D(2, 1, name="map")(L.Add(name="sum")([u, v])), L.Dense(3, name="vector")(L.GlobalAveragePooling2D(name="pool")(v))])
fill(m)
m.save("two.keras")
expect("two", m, rng.uniform(-1, 1, (2, 6, 6, 2)), rng.uniform(-1, 1, (2, 6, 6, 2)))

# What is refused: a function that a file names, and a class that is not known.
m = keras.Sequential([keras.Input((4, 4, 1)), L.Lambda(lambda x: x * 2), L.TimeDistributed(L.Dense(2))])
m.save("refused.keras")

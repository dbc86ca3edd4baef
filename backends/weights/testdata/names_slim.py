"""Makes slim_*.txt, the names and shapes of the variables of TF-slim's Inception networks.

usage: python names_slim.py, with tf-slim 1.1.0 (pip install --no-deps tf-slim; TensorFlow is not needed)

inception_v3 is recorded while the function of the package builds it, on stand-ins for TensorFlow
and the layers of slim. The package lacks inception_v4 and inception_resnet_v2: their layers are
copied by hand from research/slim/nets of github.com/tensorflow/models, in the order of the source,
with each name, size of the kernel and number of channels.
"""
import importlib.util
import os
import types
from contextlib import contextmanager

out, scope = {}, []


def variables(name, kernel, cin, cout, norm=True, bias=False):
    at = "/".join(scope + [name])
    out[at + "/weights"] = (*kernel, cin, cout)
    for v in ["beta", "moving_mean", "moving_variance"] if norm else []:
        out[f"{at}/BatchNorm/{v}"] = (cout,)
    if bias:
        out[at + "/biases"] = (cout,)


def write(spec, origin):
    with open(f"slim_{spec}.txt", "w") as f:
        print(f"# {origin}, by names_slim.py", file=f)
        for name, shape in out.items():
            print(name, *shape, file=f)
    out.clear()


class Map:
    """A value of height x width x channels."""

    def __init__(self, h, w, c):
        self.shape = h, w, c

    def get_shape(self):
        return types.SimpleNamespace(as_list=lambda: [None, *self.shape])


def record_v3():
    arguments = [{"stride": 1, "padding": "SAME"}]

    @contextmanager
    def variable_scope(name, default=None, *_, **__):
        whole = hasattr(name, "within")
        old = list(scope)
        scope[:] = name.within if whole else scope + [name or default]
        yield types.SimpleNamespace(within=list(scope))
        scope[:] = old

    @contextmanager
    def arg_scope(_, **settings):
        arguments.append({**arguments[-1], **settings})
        yield
        arguments.pop()

    def size(x, kernel, stride, padding):
        f = (lambda n, k: (n - k) // stride + 1) if padding == "VALID" else (lambda n, k: -(-n // stride))
        return f(x.shape[0], kernel[0]), f(x.shape[1], kernel[1])

    def conv2d(x, c, kernel, stride=None, padding=None, scope=None, normalizer_fn=True, **_):
        variables(scope, kernel, x.shape[2], c, norm=bool(normalizer_fn), bias=not normalizer_fn)
        return Map(*size(x, kernel, stride or arguments[-1]["stride"], padding or arguments[-1]["padding"]), c)

    def pool(x, kernel, stride=None, padding=None, **_):
        return Map(*size(x, kernel, stride or arguments[-1]["stride"], padding or arguments[-1]["padding"]), x.shape[2])

    layers = types.SimpleNamespace(conv2d=conv2d, max_pool2d=pool, avg_pool2d=pool, dropout=lambda x, **_: x, batch_norm=None, softmax=lambda *_, **__: None)
    concat = types.SimpleNamespace(concat=lambda values, axis: Map(*values[0].shape[:2], sum(v.shape[2] for v in values)),
                                   squeeze=lambda x, *_, **__: x)
    array_ops = types.SimpleNamespace(concat=lambda values, axis: Map(*values[0].shape[:2], sum(v.shape[2] for v in values)), squeeze=lambda x, *_, **__: x)
    nothing = types.SimpleNamespace(GraphKeys=types.SimpleNamespace(UPDATE_OPS=None), relu=None, truncated_normal_initializer=lambda *_: None)
    names = {"array_ops": array_ops, "layers": layers, "layers_lib": layers, "arg_scope": arg_scope, "init_ops": nothing, "nn_ops": nothing, "ops": nothing,
             "variable_scope": types.SimpleNamespace(variable_scope=variable_scope)}
    place = os.path.dirname(importlib.util.find_spec("tf_slim").origin)
    with open(os.path.join(place, "nets", "inception_v3.py")) as f:
        source = [line for line in f if not line.startswith(("from ", "import "))]
    exec("".join(source), names)
    names["inception_v3"](Map(299, 299, 3), num_classes=1001, is_training=False)
    write("inception_v3", "tf_slim.nets.inception_v3 with 1001 classes")


@contextmanager
def within(name):
    scope.append(name)
    yield
    scope.pop()


def chain(cin, layers, prefix=""):
    """layers: such as "0a_1x1 64, 0b_1x7 96"."""
    for layer in layers.split(", "):
        name, c = layer.split()
        kernel = [int(n) for n in name.split("_")[-1].split("x")]
        variables(prefix + name, kernel, cin, int(c))
        cin = int(c)
    return cin


def mixed(name, cin, *branches):
    """Returns the channels of all branches. An empty one is a pool that keeps the channels; ( ends what two layers of the end both read."""
    total = 0
    with within(name):
        for i, b in enumerate(branches):
            with within(f"Branch_{i}"):
                if b == "":
                    total += cin
                    continue
                head, _, both = b.partition(" (")
                c = chain(cin, head, "Conv2d_")
                if both:
                    total += sum(chain(c, layer, "Conv2d_") for layer in both.split(", "))
                else:
                    total += c
    return total


def v4():
    with within("InceptionV4"):
        c = chain(3, "1a_3x3 32, 2a_3x3 32, 2b_3x3 64", "Conv2d_")
        c = mixed("Mixed_3a", c, "", "0a_3x3 96")
        c = mixed("Mixed_4a", c, "0a_1x1 64, 1a_3x3 96", "0a_1x1 64, 0b_1x7 64, 0c_7x1 64, 1a_3x3 96")
        c = mixed("Mixed_5a", c, "1a_3x3 192", "")
        for i in "bcde":
            c = mixed(f"Mixed_5{i}", c, "0a_1x1 96", "0a_1x1 64, 0b_3x3 96", "0a_1x1 64, 0b_3x3 96, 0c_3x3 96", "0b_1x1 96")
        c = mixed("Mixed_6a", c, "1a_3x3 384", "0a_1x1 192, 0b_3x3 224, 1a_3x3 256", "")
        for i in "bcdefgh":
            c = mixed(f"Mixed_6{i}", c, "0a_1x1 384", "0a_1x1 192, 0b_1x7 224, 0c_7x1 256", "0a_1x1 192, 0b_7x1 192, 0c_1x7 224, 0d_7x1 224, 0e_1x7 256", "0b_1x1 128")
        with within("AuxLogits"):
            variables("Conv2d_1b_1x1", (1, 1), c, 128)
            variables("Conv2d_2a", (5, 5), 128, 768)
            out["InceptionV4/AuxLogits/Aux_logits/weights"], out["InceptionV4/AuxLogits/Aux_logits/biases"] = (768, 1001), (1001,)
        c = mixed("Mixed_7a", c, "0a_1x1 192, 1a_3x3 192", "0a_1x1 256, 0b_1x7 256, 0c_7x1 320, 1a_3x3 320", "")
        for i in "bcd":
            c = mixed(f"Mixed_7{i}", c, "0a_1x1 256", "0a_1x1 384 (0b_1x3 256, 0c_3x1 256", "0a_1x1 384, 0b_3x1 448, 0c_1x3 512 (0d_1x3 256, 0e_3x1 256", "0b_1x1 256")
    out["InceptionV4/Logits/Logits/weights"], out["InceptionV4/Logits/Logits/biases"] = (c, 1001), (1001,)
    write("inception_v4", "inception_v4 of research/slim/nets with 1001 classes")


def resnet_v2():
    def block(name, c, *branches):
        with within(name):
            joined = 0
            for i, b in enumerate(branches):
                with within(f"Branch_{i}"):
                    joined += chain(c, b, "Conv2d_")
            variables("Conv2d_1x1", (1, 1), joined, c, norm=False, bias=True)

    with within("InceptionResnetV2"):
        c = chain(3, "1a_3x3 32, 2a_3x3 32, 2b_3x3 64, 3b_1x1 80, 4a_3x3 192", "Conv2d_")
        c = mixed("Mixed_5b", c, "1x1 96", "0a_1x1 48, 0b_5x5 64", "0a_1x1 64, 0b_3x3 96, 0c_3x3 96", "0b_1x1 64")
        with within("Repeat"):
            for i in range(10):
                block(f"block35_{i+1}", c, "1x1 32", "0a_1x1 32, 0b_3x3 32", "0a_1x1 32, 0b_3x3 48, 0c_3x3 64")
        c = mixed("Mixed_6a", c, "1a_3x3 384", "0a_1x1 256, 0b_3x3 256, 1a_3x3 384", "")
        with within("Repeat_1"):
            for i in range(20):
                block(f"block17_{i+1}", c, "1x1 192", "0a_1x1 128, 0b_1x7 160, 0c_7x1 192")
        with within("AuxLogits"):
            variables("Conv2d_1b_1x1", (1, 1), c, 128)
            variables("Conv2d_2a_5x5", (5, 5), 128, 768)
            out["InceptionResnetV2/AuxLogits/Logits/weights"], out["InceptionResnetV2/AuxLogits/Logits/biases"] = (768, 1001), (1001,)
        c = mixed("Mixed_7a", c, "0a_1x1 256, 1a_3x3 384", "0a_1x1 256, 1a_3x3 288", "0a_1x1 256, 0b_3x3 288, 1a_3x3 320", "")
        with within("Repeat_2"):
            for i in range(9):
                block(f"block8_{i+1}", c, "1x1 192", "0a_1x1 192, 0b_1x3 224, 0c_3x1 256")
        block("Block8", c, "1x1 192", "0a_1x1 192, 0b_1x3 224, 0c_3x1 256")
        c = chain(c, "7b_1x1 1536", "Conv2d_")
    out["InceptionResnetV2/Logits/Logits/weights"], out["InceptionResnetV2/Logits/Logits/biases"] = (c, 1001), (1001,)
    write("inception_resnet_v2", "inception_resnet_v2 of research/slim/nets with 1001 classes")


os.chdir(os.path.dirname(os.path.abspath(__file__)))
record_v3()
v4()
resnet_v2()

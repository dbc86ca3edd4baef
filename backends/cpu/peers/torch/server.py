"""A server around PyTorch with the protocol of ort.c, for forward passes, gradients and training steps.

protocol/protocol.py stands in front of this file when it runs.

It reads an ONNX model and runs it as torch functional calls on parameters, so every network that incc
emits can be trained in PyTorch as well. Commands beyond those of ort.c:

    mode default|channels_last|compile|double   for the next load; double computes in float64
    train 0|1                            batch statistics in BN, and dropout
    lr X                                 of SGD with momentum 0.9; default 0.01
    heads W...                           weights of the outputs after the first in the loss; they have none
    backward                             gradients of sum(output * input "grad:OUTPUT"), or of the mean
                                         cross-entropy against the int64 input "labels"
    grads                                as out: the gradients of inputs and weights
    step N                               as run: forward, cross-entropy, backward, SGD update
    weights                              as out: the weights now

The loss takes the logits: where an output is a softmax, what goes into it.
"""

import time
import warnings

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

warnings.filterwarnings("ignore")

def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


class Constants(dict):
    """Integer tensors: shapes, axes, sizes. They are decided when the model is loaded."""

    def ints(self, node, i, default=None):
        if i >= len(node.input) or not node.input[i]:
            return default
        return [int(v) for v in np.atleast_1d(self[node.input[i]])]


def spatial(x, pads):
    """Pads height and width, [top, left, bottom, right], with zeros."""
    return F.pad(x, (pads[1], pads[3], pads[0], pads[2]))


def window(a):
    k = list(a["kernel_shape"])
    return k, list(a.get("strides", [1, 1])), list(a.get("pads", [0, 0, 0, 0])), list(a.get("dilations", [1, 1]))


def out_size(n, k, s, p0, p1, d):
    return (n + p0 + p1 - d * (k - 1) - 1) // s + 1


def native_pool(shape, k, s, p, d):
    """How torch's own pools can pad as [t, l, b, r]: ceil_mode or None."""
    want = [out_size(shape[i], k[i], s[i], p[i], p[i + 2], d[i]) for i in range(2)]
    if p[0] * 2 > k[0] or p[1] * 2 > k[1]:
        return None
    if p[0] == p[2] and p[1] == p[3]:
        return False
    ceil = []
    for i in range(2):
        n = -(-(shape[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i]) + 1
        if (n - 1) * s[i] >= shape[i] + p[i]:
            n -= 1
        ceil.append(n)
    return True if ceil == want and p[2] >= p[0] and p[3] >= p[1] else None


def max_pool(x, k, s, p, d):
    c = native_pool(x.shape[2:], k, s, p, d)
    if c is not None:
        return F.max_pool2d(x, k, s, (p[0], p[1]), d, ceil_mode=c)
    x = F.pad(x, (p[1], p[3], p[0], p[2]), value=float("-inf"))
    return F.max_pool2d(x, k, s, 0, d)


def avg_pool(x, k, s, p, d, include):
    c = native_pool(x.shape[2:], k, s, p, d)
    if d == [1, 1] and (c is False or c is True and not include):
        return F.avg_pool2d(x, k, s, (p[0], p[1]), ceil_mode=c, count_include_pad=bool(include))
    if d != [1, 1]:
        raise NotImplementedError("dilated average pool")
    y = F.avg_pool2d(spatial(x, p), k, s)
    if include:
        return y
    ones = torch.ones((1, 1) + tuple(x.shape[2:]), dtype=x.dtype)
    return y / F.avg_pool2d(spatial(ones, p), k, s)


def build(node, c):
    """Returns a function of (values, training) for a node, its attributes decided."""
    a, op = attributes(node), node.op_type

    def conv(t, x, w, b=None):
        k, s, p, d = window({"kernel_shape": w.shape[2:], **a})
        if p[0] == p[2] and p[1] == p[3]:
            return F.conv2d(x, w, b, s, (p[0], p[1]), d, a.get("group", 1))
        return F.conv2d(spatial(x, p), w, b, s, 0, d, a.get("group", 1))

    def gemm(t, x, w, b=None):
        if a.get("transA"):
            x = x.t()
        if a.get("transB") and b is not None and a.get("alpha", 1) == 1 and a.get("beta", 1) == 1 and b.dim() == 1:
            return F.linear(x, w, b)
        y = a.get("alpha", 1.0) * (x @ (w.t() if a.get("transB") else w))
        return y if b is None else y + a.get("beta", 1.0) * b

    def bn(t, x, g, b, m, v):
        return F.batch_norm(x, m.detach(), v.detach(), g, b, t, 1 - a.get("momentum", 0.9), a.get("epsilon", 1e-5))

    def lrn(t, x):
        if a["size"] % 2 == 0:
            raise NotImplementedError("LRN of an even size")
        return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))

    def reduce(f):
        axes = list(a["axes"]) if "axes" in a else c.ints(node, 1)
        keep = bool(a.get("keepdims", 1))
        return lambda t, x, *_: f(x, axes if axes else list(range(x.dim())), keep)

    def fold(f):
        def g(t, *xs):
            y = xs[0]
            for x in xs[1:]:
                y = f(y, x)
            return y
        return g

    def reshape():
        want = c.ints(node, 1)

        def g(t, x, *_):
            return x.reshape([x.shape[i] if d == 0 and not a.get("allowzero") else d for i, d in enumerate(want)])
        return g

    def slice_():
        starts, ends = c.ints(node, 1), c.ints(node, 2)
        axes = c.ints(node, 3, list(range(len(starts))))
        steps = c.ints(node, 4, [1] * len(starts))

        def g(t, x, *_):
            ix = [slice(None)] * x.dim()
            for s, e, ax, st in zip(starts, ends, axes, steps):
                if st < 0:
                    raise NotImplementedError("slice backwards")
                ix[ax] = slice(s, e, st)
            return x[tuple(ix)]
        return g

    def split():
        sizes, ax, n = c.ints(node, 1), a.get("axis", 0), len(node.output)

        def g(t, x, *_):
            if sizes:
                return torch.split(x, sizes, ax)
            return torch.split(x, -(-x.shape[ax] // n), ax)
        return g

    def pad():
        pads = c.ints(node, 1)
        axes = c.ints(node, 3)
        value = float(np.atleast_1d(c[node.input[2]])[0]) if len(node.input) > 2 and node.input[2] else 0.0
        if a.get("mode", b"constant") != b"constant":
            raise NotImplementedError("pad mode")

        def g(t, x, *_):
            ax = [v % x.dim() for v in axes] if axes else list(range(x.dim()))
            p = [0] * (2 * x.dim())
            for i, v in enumerate(ax):
                p[2 * (x.dim() - 1 - v)], p[2 * (x.dim() - 1 - v) + 1] = pads[i], pads[len(ax) + i]
            return F.pad(x, p, value=value)
        return g

    def dropout():
        ratio = float(np.atleast_1d(c[node.input[1]])[0]) if len(node.input) > 1 and node.input[1] else 0.5
        return lambda t, x, *_: F.dropout(x, ratio, t)

    def clip(t, x, lo=None, hi=None):
        return torch.clamp(x, lo, hi)

    table = {
        "Conv": lambda: conv, "Gemm": lambda: gemm, "BatchNormalization": lambda: bn, "LRN": lambda: lrn,
        "MatMul": lambda: lambda t, x, y: x @ y,
        "Relu": lambda: lambda t, x: F.relu(x), "Sigmoid": lambda: lambda t, x: torch.sigmoid(x),
        "Tanh": lambda: lambda t, x: torch.tanh(x), "Neg": lambda: lambda t, x: -x, "Exp": lambda: lambda t, x: torch.exp(x),
        "Log": lambda: lambda t, x: torch.log(x), "Sqrt": lambda: lambda t, x: torch.sqrt(x), "Abs": lambda: lambda t, x: torch.abs(x),
        "Identity": lambda: lambda t, x: x, "Clip": lambda: clip,
        "MaxPool": lambda: lambda t, x: max_pool(x, *window(a)),
        "AveragePool": lambda: lambda t, x: avg_pool(x, *window(a), a.get("count_include_pad", 0)),
        "GlobalAveragePool": lambda: lambda t, x: x.mean((2, 3), keepdim=True),
        "Concat": lambda: lambda t, *xs: torch.cat(xs, a["axis"]),
        "Add": lambda: lambda t, x, y: x + y, "Sub": lambda: lambda t, x, y: x - y, "Mul": lambda: lambda t, x, y: x * y,
        "Div": lambda: lambda t, x, y: x / y, "Pow": lambda: lambda t, x, y: x ** y,
        "Max": lambda: fold(torch.maximum), "Min": lambda: fold(torch.minimum), "Sum": lambda: fold(torch.add),
        "Flatten": lambda: lambda t, x: x.flatten(1) if a.get("axis", 1) == 1 else x.reshape(int(np.prod(x.shape[:a["axis"]])), -1),
        "Reshape": reshape, "Slice": slice_, "Split": split, "Pad": pad, "Dropout": dropout,
        "Transpose": lambda: lambda t, x: x.permute(list(a["perm"]) if "perm" in a else list(range(x.dim()))[::-1]),
        "ReduceMax": lambda: reduce(lambda x, ax, k: torch.amax(x, ax, k)),
        "ReduceMean": lambda: reduce(lambda x, ax, k: torch.mean(x, ax, k)),
        "ReduceSum": lambda: reduce(lambda x, ax, k: torch.sum(x, ax, k)),
        "Softmax": lambda: lambda t, x: F.softmax(x, a.get("axis", -1)),
        "LogSoftmax": lambda: lambda t, x: F.log_softmax(x, a.get("axis", -1)),
    }
    if op not in table:
        raise NotImplementedError("operator " + op)
    return table[op]()


class Network(torch.nn.Module):
    """An ONNX graph. Weights are parameters, running statistics are buffers."""

    def __init__(self, path, channels_last):
        super().__init__()
        g = onnx.load(path).graph
        state = {n.input[i] for n in g.node if n.op_type == "BatchNormalization" for i in (3, 4)}
        # A scalar that Mul or Dropout reads is an attribute of the op, not a weight.
        constants, self.place = Constants(), {}
        for t in g.initializer:
            v = numpy_helper.to_array(t)
            constants[t.name] = v
            if v.dtype != np.float32:
                continue
            v = torch.from_numpy(v.copy())
            if channels_last and v.dim() == 4:
                v = v.contiguous(memory_format=torch.channels_last)
            key = "w%d" % len(self.place)
            if t.name in state or v.numel() == 1 and v.dim() == 0:
                self.register_buffer(key, v)
            else:
                setattr(self, key, torch.nn.Parameter(v))
            self.place[t.name] = key
        for n in g.node:
            if n.op_type == "Constant":
                constants[n.output[0]] = numpy_helper.to_array(attributes(n)["value"])
        self.inputs = [i.name for i in g.input if i.name not in constants]
        self.outputs = [o.name for o in g.output]
        made = {o: n for n in g.node for o in n.output}
        self.logits = [made[o].input[0] if made[o].op_type in ("Softmax", "LogSoftmax") else o for o in self.outputs]
        last = {}
        nodes = [n for n in g.node if n.op_type != "Constant"]
        for i, n in enumerate(nodes):
            for v in n.input:
                last[v] = i
        self.steps = []
        for i, n in enumerate(nodes):
            dead = [v for v in set(n.input) if last[v] == i and v not in self.place and v not in self.outputs and v not in self.logits]
            args = [v for v in n.input]
            for v in args:
                if v in constants and v not in self.place and constants[v].dtype == np.float32:
                    raise NotImplementedError("a float Constant node")
            self.steps.append((build(n, constants), args, list(n.output), dead))

    def forward(self, *inputs):
        v = dict(zip(self.inputs, inputs))
        for f, args, outs, dead in self.steps:
            xs = [getattr(self, self.place[a]) if a in self.place else v.get(a) for a in args if a]
            y = f(self.training, *xs)
            if isinstance(y, (tuple, list)):
                v.update(zip(outs, y))
            else:
                v[outs[0]] = y
            for d in dead:
                v.pop(d, None)
        return [v[o] for o in self.logits], [v[o] for o in self.outputs]


class Server(Protocol):
    def __init__(self):
        self.threads, self.mode, self.lr, self.training, self.heads = 1, "default", 0.01, False, []
        self.net = None

    def load(self, path):
        t = time.perf_counter_ns()
        torch.set_num_threads(self.threads)
        self.values, self.last, self.gradients = {}, None, None
        self.net = Network(path, self.mode == "channels_last")
        self.net.train(self.training)
        if self.mode == "double":
            self.net.double()
        self.call = torch.compile(self.net) if self.mode == "compile" else self.net
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=self.lr, momentum=0.9)
        return "ok %d" % (time.perf_counter_ns() - t)

    def input(self, name, data):
        x = torch.from_numpy(data)
        if self.mode == "channels_last" and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        if self.mode == "double" and x.dtype == torch.float32:
            x = x.double()
        self.values[name] = x

    def args(self):
        if self.net is None:
            raise ValueError("no model is loaded")
        return [self.values[i] for i in self.net.inputs]

    def forward(self):
        with torch.no_grad():
            self.last = self.call(*self.args())[1]

    def loss(self, args):
        logits, outs = self.call(*args)
        seeds = [("grad:" + o, v) for o, v in zip(self.net.outputs, outs)]
        if any(s in self.values for s, _ in seeds):
            return sum((v * self.values[s]).sum() for s, v in seeds if s in self.values)
        weights = [1.0] + self.heads
        return sum(w * F.cross_entropy(z.flatten(1), self.values["labels"]) for w, z in zip(weights, logits))

    def backward(self):
        args = [x.detach().requires_grad_() for x in self.args()]
        self.sgd.zero_grad()
        self.loss(args).backward()
        self.gradients = list(zip(self.net.inputs, (x.grad for x in args)))
        for name, key in self.net.place.items():
            p = getattr(self.net, key)
            if isinstance(p, torch.nn.Parameter) and p.grad is not None:
                self.gradients.append((name, p.grad))
        return "ok"

    def step(self):
        args = self.args()
        self.sgd.zero_grad(set_to_none=True)
        self.loss(args).backward()
        self.sgd.step()

    def send(self, named):
        return self.tensors([(name, x.detach().float().contiguous().numpy() if x.dtype == torch.float64 else x.detach().contiguous().numpy()) for name, x in named])

    def do(self, cmd, args):
        if cmd == "version":
            return "ok " + torch.__version__.split("+")[0]
        if cmd == "threads":
            self.threads = int(args[0])
            return "ok"
        if cmd == "mode":
            if args[0] not in ("default", "channels_last", "compile", "double"):
                raise ValueError("mode " + args[0])
            self.mode = args[0]
            return "ok"
        if cmd == "train":
            self.training = args[0] == "1"
            if self.net:
                self.net.train(self.training)
            return "ok"
        if cmd == "lr":
            self.lr = float(args[0])
            return "ok"
        if cmd == "heads":
            self.heads = [float(w) for w in args]
            return "ok"
        if cmd == "dim":
            return "ok"
        if cmd == "load":
            return self.load(" ".join(args))
        if cmd == "run":
            return self.timed(int(args[0]), self.forward)
        if cmd == "step":
            return self.timed(int(args[0]), self.step)
        if cmd == "backward":
            return self.backward()
        if cmd == "out":
            if self.last is None:
                raise ValueError("the model has not run")
            return self.send(list(zip(self.net.outputs, self.last)))
        if cmd == "grads":
            return self.send(self.gradients)
        if cmd == "weights":
            return self.send([(n, getattr(self.net, k)) for n, k in self.net.place.items()])
        return super().do(cmd, args)


serve(Server())

"""A server around OpenVINO with the protocol of ort.c, for forward passes on the CPU in float32.

protocol/protocol.py stands in front of this file when it runs.
"""

import openvino


class Server(Protocol):
    def __init__(self):
        self.core, self.threads, self.dims = openvino.Core(), 1, {}
        self.request, self.ran = None, False

    def load(self, path):
        t = time.perf_counter_ns()
        self.request, self.ran = None, False
        model = self.core.read_model(path)
        shapes = {}
        for i in model.inputs:
            shape = i.get_partial_shape()
            # incc's models name one symbolic size, the batch, which comes first.
            shapes[i] = [self.dims.get("N", -1) if d.is_dynamic else d.get_length() for d in shape]
        model.reshape(shapes)
        compiled = self.core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        })
        self.outputs = [o.get_any_name() for o in compiled.outputs]
        self.request = compiled.create_infer_request()
        return "ok %d" % (time.perf_counter_ns() - t)

    def need(self):
        if self.request is None:
            raise ValueError("no model is loaded")
        return self.request

    def input(self, name, data):
        self.need().set_tensor(name, openvino.Tensor(data))
        self.ran = False

    def run(self):
        self.request.infer()
        self.ran = True

    def do(self, cmd, args):
        if cmd == "version":
            return "ok " + openvino.__version__.split("-")[0]
        if cmd == "threads":
            self.threads = int(args[0])
            return "ok"
        if cmd == "dim":
            self.dims[args[0]] = int(args[1])
            return "ok"
        if cmd == "load":
            return self.load(" ".join(args))
        if cmd == "run":
            self.need()
            return self.timed(int(args[0]), self.run)
        if cmd == "out":
            if self.request is None or not self.ran:
                raise ValueError("the model has not run")
            return self.tensors([(n, self.request.get_tensor(n).data) for n in self.outputs])
        return super().do(cmd, args)


serve(Server())

"""Runs generated models in PyTorch, for the tests of package torch.

    python oracle.py DIR...

Each DIR has model.py, weights.safetensors, and input.safetensors with the tensors images
and labels, one weight for the loss of each head in head_weights, and gradients if these
are wanted; or, for a network
with several inputs, input_0 and so on, whose outputs are output_0 and so on. Writes
output.safetensors: probabilities (eval mode), logits_0, logits_1 and so on (training
without dropout), loss, and gradients by the names of incc, followed by .grad. With the tensor
float64 all is computed so, and what a float32 leaves of a number of NAME is in NAME.low.
"""

import importlib.util
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

TYPES = {"F32": np.float32, "I64": np.int64}


def read(path):
    data = Path(path).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    tensors = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        array = np.frombuffer(data[8 + n + begin : 8 + n + end], TYPES[info["dtype"]])
        tensors[name] = torch.from_numpy(array.reshape(info["shape"]).copy())
    return tensors


def write(path, tensors):
    header, body = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().float().numpy().tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


def load(folder):
    spec = importlib.util.spec_from_file_location("model", Path(folder) / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [c for c in vars(module).values() if isinstance(c, type)]
    model = classes[-1]()
    model.load_state_dict(read(Path(folder) / "weights.safetensors"))
    return module, model


def run(folder):
    module, model = load(folder)
    given = read(Path(folder) / "input.safetensors")
    names = {v: k for k, v in module.incc_names(model).items()}
    assert set(model.state_dict()) == set(names), "names of the state_dict"
    out = {}
    model.eval()
    if "images" not in given:
        inputs = [given[f"input_{i}"] for i in range(len(given))]
        with torch.no_grad():
            result = model.predict(*inputs) if hasattr(model, "predict") else model(*inputs)
        results = result if isinstance(result, tuple) else (result,)
        out |= {f"output_{i}": x for i, x in enumerate(results)}
        write(Path(folder) / "output.safetensors", out)
        return
    images = given["images"]
    if "float64" in given:
        model.double()
        images = images.double()
    with torch.no_grad():
        out["probabilities"] = model.predict(images)
    model.train()
    for m in model.modules():
        if isinstance(m, torch.nn.Dropout):
            m.p = 0.0
    if "labels" in given:
        logits = model(images)
        logits = logits if isinstance(logits, tuple) else (logits,)
        weights = [1.0, *given.get("head_weights", torch.zeros(0)).tolist()]
        labels = given["labels"].long()
        loss = sum(w * F.cross_entropy(z, labels) for w, z in zip(weights, logits))
        if "gradients" in given:
            loss.backward()
        out |= {f"logits_{i}": z for i, z in enumerate(logits)}
        out["loss"] = loss
        parameters = dict(model.named_parameters())
        for name, key in names.items():
            if key in parameters and parameters[key].grad is not None:
                out[name + ".grad"] = parameters[key].grad
    if "float64" in given:
        out |= {name + ".low": x - x.float().double() for name, x in out.items()}
    write(Path(folder) / "output.safetensors", out)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for folder in sys.argv[1:]:
        run(folder)

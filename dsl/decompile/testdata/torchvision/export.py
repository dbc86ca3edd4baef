# Exports networks of torchvision as ONNX models, for TestTorchvision:
#
#   pip install torch torchvision onnx onnxscript
#   python export.py /tmp/models googlenet inception_v3 resnet50 densenet121 …
#   go test ./dsl/decompile -run TestTorchvision -update -models /tmp/models
#
# NAME.onnx keeps batch normalization, NAME.folded.onnx is what the old exporter writes by
# itself, NAME.dynamo.onnx what the new one does.
import sys
import warnings

import torch
import torchvision

warnings.filterwarnings("ignore")
folder, names = sys.argv[1], sys.argv[2:]
for name in names:
    size = 299 if "inception" in name else 224
    torch.manual_seed(1)
    keys = {}
    if name.startswith(("googlenet", "inception")):
        keys = dict(aux_logits=False, init_weights=False)
    if name.endswith("_transform"):
        keys["transform_input"] = True
    model = getattr(torchvision.models, name.removesuffix("_transform"))(weights=None, **keys).eval()
    for n, b in model.named_buffers():  # so that no two tensors are equal, as in trained networks
        if n.endswith("running_var"):
            b.copy_(torch.rand(b.shape) + 0.5)
        if n.endswith("running_mean"):
            b.copy_(torch.randn(b.shape) * 0.1)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn(p.shape) * 0.1)
    x = torch.randn(2, 3, size, size)
    for kind in ("", ".folded", ".dynamo"):
        file = f"{folder}/{name}{kind}.onnx"
        if kind == ".dynamo":
            torch.onnx.export(model, (x,), file, dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False)
        else:
            mode = torch.onnx.TrainingMode.EVAL if kind else torch.onnx.TrainingMode.PRESERVE
            torch.onnx.export(model, (x,), file, dynamo=False, dynamic_axes={"input": {0: "batch"}}, input_names=["input"], output_names=["output"],
                              training=mode, do_constant_folding=bool(kind))

"""Writes the small models in testdata/exports, which TestMutatedExports changes.

usage: python exports.py OUT, with torch and onnxscript

old.onnx comes from the exporter of TorchScript, for any batch; new.onnx, with its weights in
new.onnx.data, from that of torch.export.
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


os.makedirs(sys.argv[1], exist_ok=True)
torch_models(sys.argv[1])

#!/usr/bin/env python3
"""Exports small networks that make maps larger: U-Nets, super-resolution, style transfer, a head
for detection, a generator. For each it writes NAME.onnx, and NAME.out with the output of PyTorch
for the input x[i] = sin(i), as float32.

usage: export.py FOLDER
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def double(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True),
                         nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))


class UNet(nn.Module):
    def __init__(self, transposed, c=4, depth=3):
        super().__init__()
        ch = [c * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList([double(3 if i == 0 else ch[i - 1], ch[i]) for i in range(depth)])
        self.mid = double(ch[depth - 1], ch[depth])
        back = list(reversed(range(depth)))
        if transposed:
            self.ups = nn.ModuleList([nn.ConvTranspose2d(ch[i + 1], ch[i], 2, 2) for i in back])
        else:
            self.ups = nn.ModuleList([nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(ch[i + 1], ch[i], 1)) for i in back])
        self.dec = nn.ModuleList([double(2 * ch[i], ch[i]) for i in back])
        self.out = nn.Conv2d(c, 2, 1)

    def forward(self, x):
        skips = []
        for d in self.down:
            x = d(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.mid(x)
        for u, d in zip(self.ups, self.dec):
            x = d(torch.cat([skips.pop(), u(x)], 1))
        return self.out(x)


class Espcn(nn.Module):
    def __init__(self, r=3):
        super().__init__()
        self.feature = nn.Conv2d(1, 8, 5, padding=2)
        self.map = nn.Conv2d(8, 4, 3, padding=1)
        self.upscale = nn.Sequential(nn.Conv2d(4, r * r, 3, padding=1), nn.PixelShuffle(r))

    def forward(self, x):
        return self.upscale(torch.tanh(self.map(torch.tanh(self.feature(x)))))


class Reflected(nn.Module):
    def __init__(self, i, o, k, stride=1, up=None):
        super().__init__()
        self.up, self.pad, self.conv = up, nn.ReflectionPad2d(k // 2), nn.Conv2d(i, o, k, stride)

    def forward(self, x):
        if self.up:
            x = F.interpolate(x, mode="nearest", scale_factor=self.up)
        return self.conv(self.pad(x))


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.in1 = Reflected(c, c, 3), nn.InstanceNorm2d(c, affine=True)
        self.conv2, self.in2 = Reflected(c, c, 3), nn.InstanceNorm2d(c, affine=True)

    def forward(self, x):
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))


class Style(nn.Module):
    """Johnson 2016, as PyTorch's example fast_neural_style has it."""

    def __init__(self, c=4):
        super().__init__()
        self.conv1, self.in1 = Reflected(3, c, 9), nn.InstanceNorm2d(c, affine=True)
        self.conv2, self.in2 = Reflected(c, 2 * c, 3, 2), nn.InstanceNorm2d(2 * c, affine=True)
        self.res1, self.res2, self.res3 = Residual(2 * c), Residual(2 * c), Residual(2 * c)
        self.deconv1, self.in4 = Reflected(2 * c, c, 3, up=2), nn.InstanceNorm2d(c, affine=True)
        self.deconv3 = Reflected(c, 3, 9)

    def forward(self, x):
        y = F.relu(self.in2(self.conv2(F.relu(self.in1(self.conv1(x))))))
        y = self.res3(self.res2(self.res1(y)))
        return self.deconv3(F.relu(self.in4(self.deconv1(y))))


def cbs(i, o, k=3, s=1):
    return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o), nn.SiLU())


class Yolo(nn.Module):
    """Three scales, joined on the way up as in YOLO v3, and the boxes of all of them."""

    def __init__(self, c=4, classes=4):
        super().__init__()
        n = 5 + classes
        self.stem, self.c3, self.c4, self.c5 = cbs(3, c, 3, 2), cbs(c, c, 3, 2), cbs(c, 2 * c, 3, 2), cbs(2 * c, 4 * c, 3, 2)
        self.reduce5, self.fuse4 = cbs(4 * c, 2 * c, 1), cbs(4 * c, 2 * c)
        self.reduce4, self.fuse3 = cbs(2 * c, c, 1), cbs(2 * c, c)
        self.head3, self.head4, self.head5 = nn.Conv2d(c, n, 1), nn.Conv2d(2 * c, n, 1), nn.Conv2d(4 * c, n, 1)

    def forward(self, x):
        c3 = self.c3(self.stem(x))
        c4 = self.c4(c3)
        c5 = self.c5(c4)
        p4 = self.fuse4(torch.cat([F.interpolate(self.reduce5(c5), scale_factor=2), c4], 1))
        p3 = self.fuse3(torch.cat([F.interpolate(self.reduce4(p4), scale_factor=2), c3], 1))
        heads = [self.head3(p3), self.head4(p4), self.head5(c5)]
        return torch.cat([h.flatten(2) for h in heads], 2).sigmoid()


def generator():
    """As DCGAN (Radford 2016), with the transposed convolutions that exporters meet."""
    return nn.Sequential(
        nn.ConvTranspose2d(6, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 3, 2, 1, output_padding=1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=8), nn.PReLU(8), nn.ConvTranspose2d(8, 3, 5, 1, 2), nn.Tanh())


def groups():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.ReLU(), nn.ReplicationPad2d(1), nn.Conv2d(8, 8, 3, 2),
                         nn.InstanceNorm2d(8), nn.Mish(), nn.Upsample(size=(13, 11), mode="bilinear"), nn.Conv2d(8, 2, 1), nn.ELU(0.5))


NETS = {
    "unet_transposed": (lambda: UNet(True), (3, 16, 16)), "unet_bilinear": (lambda: UNet(False), (3, 16, 16)), "espcn": (Espcn, (1, 10, 12)),
    "style": (Style, (3, 16, 16)), "yolo": (Yolo, (3, 32, 32)), "generator": (generator, (6, 3, 4)), "groups": (groups, (3, 12, 10)),
}


def condition(m):
    for k in m.modules():
        if isinstance(k, nn.BatchNorm2d):
            k.running_mean.normal_(0, 0.1)
            k.running_var.uniform_(0.5, 1.5)
        if isinstance(k, (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)) and k.weight is not None:
            nn.init.uniform_(k.weight, 0.5, 1.5)
            nn.init.normal_(k.bias, 0, 0.1)
        if isinstance(k, nn.PReLU):
            nn.init.uniform_(k.weight, 0.1, 0.4)
    return m.eval()


@torch.no_grad()
def main(folder):
    torch.manual_seed(7)
    for name, (make, shape) in NETS.items():
        m = condition(make())
        size = int(np.prod(shape))
        x = torch.from_numpy(np.sin(np.arange(2 * size)).astype(np.float32).reshape(2, *shape))
        file = os.path.join(folder, name)
        m(x[:1]).numpy().astype("<f4").tofile(file + ".out")
        names = dict(input_names=["input"], output_names=["output"])
        torch.onnx.export(m, (x,), file + ".onnx", dynamo=False, opset_version=17, dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, **names)
        if name == "unet_transposed":
            torch.onnx.export(m, (x,), file + "_dynamo.onnx", dynamo=True, external_data=False, dynamic_shapes=({0: torch.export.Dim("batch")},), **names)


if __name__ == "__main__":
    main(sys.argv[1])

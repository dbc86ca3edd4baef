"""Exports networks for other tasks than classification to ONNX and records what ONNX Runtime
computes: segmentation, detection, super resolution, style, generation, video and sound.

usage: python task_models.py OUT [NAME...]

The cases are those of torch_models.py, by the old exporter.
"""
import os
import sys
import traceback
import warnings

import torch
import torchvision
from torch import nn

from torch_models import export, record

warnings.filterwarnings("ignore")


def double(i, o, norm=nn.BatchNorm2d):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), norm(o), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), norm(o), nn.ReLU())


class UNet(nn.Module):
    """Ronneberger 2015 with fewer channels; up is a transposed convolution or an interpolation."""

    def __init__(self, bilinear):
        super().__init__()
        c = [16, 32, 64]
        self.down = nn.ModuleList([double(i, o) for i, o in zip([3] + c[:-1], c)])
        self.up = nn.ModuleList()
        self.join = nn.ModuleList()
        for i, o in zip(c[:0:-1], c[-2::-1]):
            self.up.append(nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(i, o, 1)) if bilinear else nn.ConvTranspose2d(i, o, 2, stride=2))
            self.join.append(double(i, o))
        self.last = nn.Conv2d(c[0], 5, 1)

    def forward(self, x):
        kept = []
        for i, d in enumerate(self.down):
            x = d(x if i == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for u, j, k in zip(self.up, self.join, kept[-2::-1]):
            x = j(torch.cat([k, u(x)], 1))
        return self.last(x)


class Yolo(nn.Module):
    """A backbone, two scales with SiLU, and a head that decodes boxes and takes the best."""

    def __init__(self):
        super().__init__()
        conv = lambda i, o, s=1: nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.SiLU())
        self.a, self.b, self.c = conv(3, 16, 4), conv(16, 32, 2), conv(32, 64, 2)
        self.up, self.mix = nn.Upsample(scale_factor=2, mode="nearest"), conv(96, 32)
        self.heads = nn.ModuleList([nn.Conv2d(32, 3 * 9, 1), nn.Conv2d(64, 3 * 9, 1)])

    def forward(self, x):
        b = self.b(self.a(x))
        c = self.c(b)
        out = []
        for f, head, stride in zip([self.mix(torch.cat([self.up(c), b], 1)), c], self.heads, [8, 16]):
            y = head(f)
            n, _, h, w = y.shape
            y = y.view(-1, 3, 9, h, w).permute(0, 1, 3, 4, 2).sigmoid()
            gy, gx = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            grid = torch.stack([gx, gy], -1).float()
            xy = (y[..., :2] * 2 - 0.5 + grid) * stride
            wh = (y[..., 2:4] * 2) ** 2 * stride * torch.tensor([[[[1.0, 2.0]]], [[[2.0, 1.0]]], [[[3.0, 3.0]]]])
            out.append(torch.cat([xy, wh, y[..., 4:]], -1).reshape(-1, 3 * h * w, 9))
        y = torch.cat(out, 1)
        score, kind = (y[..., 4:5] * y[..., 5:]).max(-1)
        best, at = score.topk(20, dim=1)
        return torch.gather(y[..., :4], 1, at.unsqueeze(-1).expand(-1, -1, 4)), best, torch.gather(kind, 1, at)


class Espcn(nn.Sequential):
    """Shi 2016."""

    def __init__(self):
        super().__init__(nn.Conv2d(1, 32, 5, padding=2), nn.Tanh(), nn.Conv2d(32, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 9, 3, padding=1), nn.PixelShuffle(3))


class Style(nn.Sequential):
    """Johnson 2016 with instance normalization and two residual blocks."""

    class Block(nn.Module):
        def __init__(self, c):
            super().__init__()
            conv = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c, affine=True)]
            self.f = nn.Sequential(*conv(), nn.ReLU(), *conv())

        def forward(self, x):
            return x + self.f(x)

    def __init__(self):
        conv = lambda i, o, k, s: [nn.ReflectionPad2d(k // 2), nn.Conv2d(i, o, k, s)]
        act = lambda c: [nn.InstanceNorm2d(c, affine=True), nn.ReLU()]
        up = lambda i, o: [nn.Upsample(scale_factor=2, mode="nearest"), *conv(i, o, 3, 1), *act(o)]
        super().__init__(*conv(3, 8, 9, 1), *act(8), *conv(8, 16, 3, 2), *act(16), *conv(16, 32, 3, 2), *act(32), Style.Block(32), Style.Block(32),
                         *up(32, 16), *up(16, 8), *conv(8, 3, 9, 1))


class Dcgan(nn.Sequential):
    """The generator of Radford 2016."""

    def __init__(self):
        up = lambda i, o, s, p: [nn.ConvTranspose2d(i, o, 4, s, p, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        super().__init__(*up(32, 64, 1, 0), *up(64, 32, 2, 1), *up(32, 16, 2, 1), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())


class Video(nn.Sequential):
    """Convolutions over time, height and width (Tran 2015)."""

    def __init__(self):
        super().__init__(nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d((1, 2, 2)), nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(),
                         nn.MaxPool3d(2), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, 5))


class Sound(nn.Sequential):
    """Convolutions over time with group normalization and parametric activations."""

    def __init__(self):
        super().__init__(nn.Conv1d(1, 16, 9, stride=4), nn.GroupNorm(4, 16), nn.PReLU(16), nn.MaxPool1d(4), nn.Conv1d(16, 32, 5, dilation=2), nn.ELU(), nn.AvgPool1d(3),
                         nn.Conv1d(32, 32, 3, groups=32), nn.Mish(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 7), nn.LogSoftmax(1))


class Attention(nn.Module):
    """A convolutional stem and a transformer layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 8, 8)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True, activation="gelu", dropout=0.0)
        self.last = nn.Linear(32, 5)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = x + torch.sin(torch.arange(x.shape[1], dtype=torch.float32).view(1, -1, 1))
        return self.last(self.layer(x).mean(1))


class SSDLite(nn.Module):
    """The backbone and the heads of ssdlite320_mobilenet_v3_large: scores and boxes of all anchors."""

    def __init__(self):
        super().__init__()
        m = torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=7)
        self.backbone, self.head = m.backbone, m.head

    def forward(self, x):
        y = self.head(list(self.backbone(x).values()))
        return y["cls_logits"].softmax(-1), y["bbox_regression"]


class Detector(nn.Module):
    """A detector of torchvision to its boxes, for one image. The scores are spread: no two boxes have
    nearly the same one, so that rounding does not change their order."""

    def __init__(self, name, spread):
        super().__init__()
        self.m = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=4, detections_per_img=50)
        for n, p in self.m.head.named_parameters():
            if p.dim() == 4 and "classification" in n:
                nn.init.normal_(p, 0, spread * p[0].numel() ** -0.5)

    def forward(self, x):
        y = self.m([x[0]])[0]
        return y["boxes"], y["scores"], y["labels"]


NETWORKS = {
    "ssd300": (lambda: Detector("ssd300_vgg16", 1.0), (3, 300, 300)), "ssdlite320": (lambda: Detector("ssdlite320_mobilenet_v3_large", 0.5), (3, 320, 320)),
    "unet": (lambda: UNet(False), (3, 48, 64)), "unet_bilinear": (lambda: UNet(True), (3, 48, 64)), "yolo_head": (Yolo, (3, 64, 96)),
    "espcn": (Espcn, (1, 20, 24)), "style": (Style, (3, 32, 40)), "dcgan": (Dcgan, (32, 1, 1)), "conv3d": (Video, (3, 6, 16, 16)), "conv1d": (Sound, (1, 400)),
    "attention": (Attention, (3, 64, 64)), "ssdlite_heads": (SSDLite, (3, 160, 160)),
}


def network(name):
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    m = make()
    bns = [b for b in m.modules() if isinstance(b, (nn.BatchNorm2d, nn.BatchNorm3d))]
    for b in bns:
        b.momentum = None
        nn.init.uniform_(b.weight, 0.5, 1.5)
        nn.init.normal_(b.bias, 0, 0.2)
    m.eval()
    for b in bns:
        b.train()
    with torch.no_grad():
        for _ in range(2):
            (m.m.backbone if isinstance(m, Detector) else m)(torch.randn(4, *shape))
    return m.eval(), shape


def main():
    torch.set_num_threads(2)
    out, names = sys.argv[1], sys.argv[2:] or list(NETWORKS)
    for name in names:
        for dynamic in (False, True) if not name.startswith("ssd") or name == "ssdlite_heads" else (False,):
            folder = os.path.join(out, f"{name}.{'dynamic' if dynamic else 'fixed'}")
            if os.path.exists(os.path.join(folder, "out_0.npy")) or os.path.exists(os.path.join(folder, "error.txt")):
                continue
            os.makedirs(folder, exist_ok=True)
            try:
                m, shape = network(name)
                x = torch.randn(2 if dynamic else 1, *shape, generator=torch.Generator().manual_seed(2))
                path = os.path.join(folder, "model.onnx")
                export(m, x, path, "old", dynamic)
                record(path, x.numpy(), folder)
                print(folder, flush=True)
            except Exception as e:
                traceback.print_exc()
                with open(os.path.join(folder, "error.txt"), "w") as f:
                    f.write(f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}\n")


main()

# make DIR writes files like torchvision's pretrained ones, a picture, and what torchvision
# answers for it. load CLASS FILE ORIGINAL loads weights that incc exported.
import os, sys, warnings
import numpy as np
import torch
from PIL import Image
from torchvision import models
from torchvision.transforms import functional as F

warnings.simplefilter("ignore")
torch.manual_seed(1)


def conditioned(model, size):
    """Weights with which the outputs differ from picture to picture."""
    for m in model.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(m.weight)
            if m.bias is not None:
                torch.nn.init.normal_(m.bias, std=0.1)
        if isinstance(m, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(m.weight, 0.5, 1.5)
            torch.nn.init.normal_(m.bias, std=0.1)
            m.momentum = None
    model.train()
    with torch.no_grad():
        model(torch.randn(4, 3, size, size))
    return model.eval()


def make(folder):
    os.chdir(folder)
    noise = (np.random.RandomState(0).rand(24, 32, 3) * 255).astype("uint8")
    for name, size, resize, file in [("googlenet", 224, 256, "googlenet-1378be20.pth"), ("inception_v3", 299, 342, "inception_v3_google-0cc3c7bd.pth")]:
        model = conditioned(getattr(models, name)(weights=None, init_weights=False, transform_input=True), size)
        # Pictures that need no scaling, which Pillow rounds to whole numbers after each axis.
        Image.fromarray(noise).resize((resize + 59, resize)).save(name + ".png")
        # The file of GoogLeNet is in the container of 2018.
        torch.save(model.state_dict(), file, _use_new_zipfile_serialization=name != "googlenet")
        x = F.center_crop(F.resize(Image.open(name + ".png").convert("RGB"), [resize]), [size])
        x = F.normalize(F.convert_image_dtype(F.pil_to_tensor(x), torch.float), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None]
        with torch.no_grad():
            y = torch.softmax(model(x), 1)
        np.save(name + "_want.npy", y.numpy())
        open(name + "_top.txt", "w").write(str(int(y.argmax())))


def load(name, file, original):
    import safetensors.torch
    model = getattr(models, name)(weights=None, init_weights=False)
    model.load_state_dict(safetensors.torch.load_file(file))
    want = torch.load(original, weights_only=True)
    for k, v in model.state_dict().items():
        assert k.endswith("num_batches_tracked") or torch.equal(v, want[k]), k


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    load(*sys.argv[2:])

# Makes the files of this folder: python make.py, with torch 2.15.0, torchvision 0.29.2 and numpy.
#
# torchvision_*.txt: the names and shapes of the classes whose names package names has.
# small*: one dictionary of tensors in every container, and small.txt with its values.
# tiny*: the weights of tiny.incc, an input and the output that PyTorch computes.
# bad_*: pickles that run code when Python loads them, and files that are no weights.
import collections, os, pickle, sys, warnings
import numpy as np
import torch
import torchvision

warnings.simplefilter("ignore")
os.chdir(os.path.dirname(os.path.abspath(__file__)))
torch.manual_seed(0)

plain, quick = {}, {"init_weights": False}
for spec, name, args in [("googlenet_bn", "googlenet", quick), ("inception_v3", "inception_v3", quick), ("vgg16", "vgg16", quick),
                         ("resnet50", "resnet50", plain), ("resnext50", "resnext50_32x4d", plain), ("mobilenet_v2", "mobilenet_v2", plain),
                         ("densenet121", "densenet121", plain), ("squeezenet", "squeezenet1_1", plain)]:
    model = getattr(torchvision.models, name)(weights=None, **args)
    with open(f"torchvision_{spec}.txt", "w") as f:
        print(f"# torchvision.models.{name}().state_dict(), by make.py", file=f)
        for k, v in model.state_dict().items():
            print(k, *v.shape, file=f)

if len(sys.argv) > 1:  # names only: python make.py names
    sys.exit()

base = torch.arange(24.).reshape(2, 3, 4)
small = collections.OrderedDict()
small["f32"] = base / 8 - 1
small["half"] = (base / 8 - 1).half()
small["bf16"] = (base / 8 - 1).bfloat16()
small["f64"] = (base / 8 - 1).double()
small["transposed"] = (base / 8 - 1).permute(2, 0, 1)
small["part"] = (base / 8 - 1)[1, 1:]
small["strided"] = (base / 8 - 1)[:, ::2, 1]
small["parameter"] = torch.nn.Parameter(torch.ones(2) / 4)
small["scalar"] = torch.tensor(0.5)
small["n.num_batches_tracked"] = torch.tensor(7)
small["empty"] = torch.zeros(0, 3)
torch.save(small, "small.pth")
torch.save(small, "small_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(small, "small_protocol4.pth", pickle_protocol=4)
torch.save({"epoch": 3, "best": np.float64(0.5).item(), "args": ("a", [1, 2.5, None, True, 1 << 70]), "state_dict": small,
            "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1, "params": [0]}]}}, "small_checkpoint.pth")
arrays = {k: v.detach().numpy() for k, v in small.items() if v.dtype != torch.bfloat16}
np.savez("small.npz", **arrays)
np.savez_compressed("small_compressed.npz", **arrays)
with open("small.txt", "w") as f:
    for k, v in small.items():
        print(k, ",".join(map(str, v.shape)) or "-", *v.detach().double().flatten().tolist(), file=f)

# In the order and with the names of nn.Sequential.
tiny = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1, bias=False), torch.nn.BatchNorm2d(4, eps=1e-3), torch.nn.ReLU(),
                           torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(6, 5))
for _ in range(5):
    tiny(torch.randn(8, 3, 6, 6))
tiny.eval()
x = torch.randn(2, 3, 6, 6)
np.save("tiny_x.npy", x.numpy())
np.save("tiny_y.npy", torch.softmax(tiny(x), 1).detach().numpy())
torch.save(tiny.state_dict(), "tiny.pth")
torch.save({"module." + k: v for k, v in tiny.state_dict().items()}, "tiny_legacy.pth", _use_new_zipfile_serialization=False)
np.savez("tiny.npz", **{k: v.numpy() for k, v in tiny.state_dict().items()})
# As Keras names and orders them: height x width x in x out, and in x out.
sd = {k: v.numpy() for k, v in tiny.state_dict().items()}
np.savez("tiny_keras.npz", **{
    "conv2d/kernel": sd["0.weight"].transpose(2, 3, 1, 0),
    "batch_normalization/gamma": sd["1.weight"], "batch_normalization/beta": sd["1.bias"],
    "batch_normalization/moving_mean": sd["1.running_mean"], "batch_normalization/moving_variance": sd["1.running_var"],
    "conv2d_1/kernel": sd["3.weight"].transpose(2, 3, 1, 0), "conv2d_1/bias": sd["3.bias"],
    "predictions/kernel": sd["7.weight"].T, "predictions/bias": sd["7.bias"]})


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/incc-was-here",)


torch.save({"a": torch.ones(2), "b": Evil()}, "bad_system.pth")
torch.save({"a": torch.ones(2), "b": Evil()}, "bad_system_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 2), "bad_module.pth")
torch.save(torch.ones(2), "bad_tensor.pth")
torch.jit.save(torch.jit.script(torch.nn.ReLU()), "bad_script.pth")
np.savez("bad_object.npz", a=np.array([{"b": 1}], dtype=object))

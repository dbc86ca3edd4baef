# Makes timm_*.txt, the names and shapes of timm's classes: python names_timm.py, with timm 1.0.31.
import os
import timm

os.chdir(os.path.dirname(os.path.abspath(__file__)))
for spec, name in [("vgg16", "vgg16"), ("mobilenet_v2", "mobilenetv2_100"), ("inception_v4", "inception_v4"), ("inception_resnet_v2", "inception_resnet_v2"),
                   ("resnet50", "resnet50"), ("resnext50", "resnext50_32x4d"), ("densenet121", "densenet121"), ("inception_v3", "inception_v3")]:
    with open(f"timm_{spec}.txt", "w") as f:
        print(f'# timm.create_model("{name}").state_dict(), by names_timm.py', file=f)
        for k, v in timm.create_model(name, pretrained=False).state_dict().items():
            if not k.endswith("num_batches_tracked"):
                print(k, *v.shape, file=f)

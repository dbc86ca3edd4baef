# Makes keras_*.txt, the names and shapes of classes of keras.applications: python names_keras.py, with keras 3.15.1.
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras

os.chdir(os.path.dirname(os.path.abspath(__file__)))
for spec, name in [("vgg16", "VGG16"), ("mobilenet_v1", "MobileNet"), ("mobilenet_v2", "MobileNetV2"), ("densenet121", "DenseNet121"),
                   ("inception_v3", "InceptionV3"), ("inception_resnet_v2", "InceptionResNetV2"), ("resnet50", "ResNet50")]:
    keras.backend.clear_session()
    with open(f"keras_{spec}.txt", "w") as f:
        print(f"# keras.applications.{name}(weights=None).weights, by names_keras.py", file=f)
        for w in getattr(keras.applications, name)(weights=None).weights:
            print(w.path, *w.shape, file=f)

package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/weights/names"
)

// conditions say what a built-in spec needs for the weights of a class, by library and spec.
var conditions = map[string]string{"keras inception_v3": " (-D count_padding=0)", "keras mobilenet_v2": " (a copy with bn=0.001, pad=same)",
	"slim inception_v3": " (a copy for 1001 classes, -D count_padding=0)", "slim inception_v4": " (a copy for 1001 classes)", "slim inception_resnet_v2": " (a copy for 1001 classes)"}

// explainWeights is the page about files of weights and models.
func explainWeights() string {
	var b strings.Builder
	prefix := map[string]string{"torchvision": "torchvision.models.", "timm": "timm ", "keras": "keras.applications.", "slim": "TF-slim "}
	for _, t := range names.Tables() {
		if t.Differs == "" {
			fmt.Fprintf(&b, "  %-20s %s%s%s\n", t.Spec, prefix[t.Library], t.Class, conditions[t.Library+" "+t.Spec])
		}
	}
	return `files of weights, and models that others trained

--weights and train --init read these files. incc tells them by their contents,
never runs code from a file, and reads no more memory than a file has bytes.

  safetensors   .safetensors
  PyTorch       .pt, .pth: what torch.save wrote of model.state_dict(), in ZIP
                archives and in the form before PyTorch 1.6; also a checkpoint, a
                dictionary in which state_dict, model_state_dict or model is one.
                A whole model (torch.save(model)) is a Python program: save its
                state_dict
  NumPy         .npz of numpy.savez and numpy.savez_compressed
  ONNX          the initializers of a model
  Keras         .keras, .h5 and .weights.h5, of Keras 2 and 3
  TensorFlow    not checkpoints. In Python, with r = tf.train.load_checkpoint(PATH):
                numpy.savez("w.npz", **{k: r.get_tensor(k)
                  for k in r.get_variable_to_shape_map()})

float64, float16 and bfloat16 become float32. Counters of normalization
(num_batches_tracked) are left out, and so is a prefix "module." of all names.

Names

A file may call the weights otherwise than the spec. incc matches them by the
first of these that applies, and says which did:

  1 --map FILE, with lines WEIGHT = TENSOR for some or all weights
  2 the names of the spec, as incc weights and incc train write them
  3 the names of a class that a built-in spec describes (below)
  4 the order and the shapes of the layers, if those of the file and the spec are
    the same in the same order. Two layers of one shape may be exchanged: compare
    an answer

Kernels of Keras are transposed, also for the order in which it flattens maps. A
gamma that a file lacks (scale=False) is 1, a beta 0. Weights of a class that has
the layers of a spec, but another epsilon, padding or stride, are refused with the
reason.

incc weights map SPEC FILE -o MAP.txt writes what it found as a draft of a map.
incc weights export SPEC --weights FILE -o FILE.safetensors writes weights under
the names of the class, for PyTorch.

` + b.String() + `
The files of these classes work with the spec: incc predict googlenet_bn --weights
googlenet-1378be20.pth cat.jpg. Where the library prepares pictures otherwise than
the input statement of the spec, incc says which keys to write. Scaling rounds once,
not after each axis, so that a pixel may differ by 1 of 255. JPEG decoders differ, too.

Models

Every command takes an ONNX model in place of a spec, with its own weights, or a
whole model of Keras (model.save("model.keras") or "model.h5"): Functional and
Sequential models of layers for pictures. incc import writes it as a spec.
A model that incc compile wrote says how pictures are prepared and what the
classes are called. For others, --image says it in the words of the input
statement (incc explain input), and --labels names the classes:

  incc predict resnet.onnx --labels imagenet1k --image 'range=0..1 \
    mean=0.485,0.456,0.406 std=0.229,0.224,0.225 resize=256 crop=center' cat.jpg

--image 3x224x224 fixes a size that the model leaves open. External data must be in
the folder of the model. If both are symbolic links, as in the caches of model hubs,
--root DIR names a folder that holds what they point to.
`
}

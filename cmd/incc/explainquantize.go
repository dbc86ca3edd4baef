package main

// explainQuantize is the page about networks in 8-bit integers.
func explainQuantize() string {
	return `how incc makes a network of 8-bit integers: quantize, train --quantize

Without training

  incc quantize RUN -o int8.onnx

looks at some training images (--images) and chooses a scale for each activation;
weights have a scale for each output channel. Batch norms are folded first. It
corrects what rounding changes where that lowers the error of the outputs
(--correct). --compare prints what each method gives, --sensitivity what each layer
costs alone.

  --max-accuracy-drop 0.5%   layers stay in float32 until the accuracy on the
                             validation images drops by no more
  --min-speedup 1.3          nothing is written unless one image is computed that
                             many times as fast as in float32, on this machine.
                             Both networks are run in turns; the least times count

With training

  incc train --quantize RUN --out runs/int8

fine-tunes a run with rounded weights and activations, for a tenth of its epochs (at
least 3) at a tenth of its rate, which falls to 0 as a cosine. This wins back what incc
quantize loses. At the end it also quantizes the run without training, and keeps the
network that is better on the validation images.

After compression

incc compress --quantize also writes int8.onnx of the smaller network.

Formats

The model is ONNX with QuantizeLinear and DequantizeLinear around the layers (QDQ),
which ONNX Runtime and OpenVINO compute on integers. eval, predict, run, bench, plan
and gen go of incc take it in place of a SPEC. It has about a quarter of the bytes.
Layers that stay in float32 keep theirs; incc gen go int8.onnx --weights-as bf16 stores
these in half of them.

Speed

incc bench RUN and incc bench int8.onnx measure it. With VNNI integers are about
twice as fast as float32, with AVX2 alone 1.4 times. Processors without kernels for
integers compute them in plain Go, which is slower than float32. The first
and the last layer, and grouped convolutions, stay in float32 where that is better;
incc plan int8.onnx shows which steps are int8.

incc help quantize lists all flags.
`
}

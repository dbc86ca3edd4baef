package main

// explainCompress is the page about incc compress.
func explainCompress() string {
	return `how incc compress makes a trained network smaller and faster

Changes

pair       a 5x5 convolution becomes a 5x1 and a 1x5 convolution with R channels
           between them: conv 5x1 R act=none -> conv 1x5 n (Jaderberg 2014)
tucker     a convolution becomes a 1x1 to A channels, one of the old size to B
           channels, and a 1x1 back: conv 1x1 A act=none -> conv 5x5 B act=none ->
           conv 1x1 n (Kim 2016). Where A or B is what the layer has, the 1x1
           convolution there is left out
low-rank   a 1x1 convolution or a dense layer becomes two of them, with R channels
           between them (Denton 2014)
prune      a layer keeps the R output channels that matter most to the layers that
           read them. The score of a channel is the root of its mean square, on
           training images, times the norm of the weights that multiply it. A
           channel that is always 0, or that nothing uses, goes at no price.
           Outputs of the network and of sums (residual) keep their channels

Ranks are multiples of the block of channels that the kernels compute at once (16),
and 2, 4 and 8. The weights of a rank are the best ones: truncated singular value
decomposition, for tucker the higher-order one. A layer that follows another one
without an activation is merged with it where that saves work.

Choice

Each change of each layer is timed on this machine, alone, for --batch images. Those
that save less than 3 % of the layer's time are dropped; of the others, those are
kept that no other one beats in both time and error, at most eight for each layer.
Each of these is tried on --images training images: its damage is the root mean
square of what the outputs change by, as a part of the outputs. --sensitivity prints
this table.

Then the network gets one change after another, always the one with the least damage
(squared) for the time that it saves. After every few changes the whole network is
timed beside the old one, and its accuracy is measured on up to 1000 validation
images; that of the chosen network is measured on all of them, too. With --target-macs
multiply-accumulates count in place of times, but changes that save no time are left
out; --cost macs takes these, too.

Budget

--target-macs 0.5x, --target-ms 8 and --target-ms 0.6x take the first network that
is as small. --max-accuracy-drop 0.5% takes the fastest network whose accuracy on all
validation images is at most half a point below that of the old one; with a target, it
is a condition. If no network meets the budget, the error and the table say what can be
reached, and the folder has no network.

--finetune EPOCHS trains the network further with the recipe of the spec. The rate
begins at that of the recipe's last epoch, but at least at a twentieth of its first,
and falls to 0 as a cosine; --lr sets another one. The weights of the best epoch are
kept. With --max-accuracy-drop alone, up to --tries networks are trained: the first
is the smallest that lost less than ten points, the next ones are between what was
good enough and what was not.

--compare RUN draws the network of a run into the chart, such as those that incc
experiment inception trains: the modules of the papers, factorized by hand.

The validation images decide, so the accuracy on them is a little too good. incc
eval DIR/run measures on the test images.

Files in DIR

net.incc, weights.safetensors   the network, as a spec with its weights
run                             the same as the folder of a run, which eval, predict,
                                compile, plan, passes, quantize and gen go take
int8.onnx                       with --quantize, the network in 8-bit integers
compress.csv, .svg, .png        the networks on the way: layer, method, rank, error
                                of the weights, MACs, ms, accuracy; those of
                                --compare RUN are in the chart
measured.jsonl, tries           what was measured and trained. The same command goes
                                on from it after an interruption, with the same
                                result; another budget uses it, too
`
}

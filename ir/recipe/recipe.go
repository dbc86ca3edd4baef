// Package recipe holds what a spec says besides the layers: how a picture becomes the
// input, the names of the classes, and how to train. These are plain structs, filled by
// package dsl and read by the trainer and the backends.
package recipe

import "slices"

// Recipe is attached to a graph. A field is nil if the spec does not have that part.
type Recipe struct {
	SpecHash string  // SHA-256 of the spec's text, hex
	Input    *Input  // preprocessing
	Labels   *Labels // class names
	Train    *Train
}

// Input says how a picture becomes the graph's input. It is resized, cropped, and then
// each pixel becomes (p - Mean) / Std, channel by channel, where p is the pixel scaled
// to Lo..Hi.
type Input struct {
	Lo, Hi float64   // range of a pixel before mean and std: 0..255, 0..1, -1..1
	Mean   []float64 // one number for each channel, in the network's channel order; empty for none
	Std    []float64 // likewise
	Order  string    // "rgb", "bgr" or "grey"
	Resize int       // shorter side before the crop, in pixels; 0 resizes to the input's size
	Crop   string    // "center" or "none"
}

// Labels names the classes.
type Labels struct {
	Set   string   // imagenet1k, mnist, cifar10, or the name of a file
	Names []string // in the order of the logits; may be empty if the names of the set are not known
}

// Train is the content of a train block. A zero value means that the block does not
// set it.
type Train struct {
	Loss      Loss
	Optimizer Optimizer
	Schedule  Schedule
	Init      string // default initialization by name, as on an op
	Freeze    []Freeze
	Rates     []Rate
	Augment   []Augment
	Regular   Regularize
	Clip      Clip
	Average   Average
	EarlyStop EarlyStop
	Run       Run
}

// Loss of the main output and the heads.
type Loss struct {
	Kind      string  // "xent": softmax cross-entropy on the logits before a trailing softmax; "focal" (Lin 2017)
	Smoothing float64 // label smoothing (Szegedy 2016, section 7), of xent
	Gamma     float64 // of focal: the factor (1 - probability of the label)^gamma
	Weights   ClassWeights
}

// ClassWeights are the weights of the classes in the loss; zero for ones.
type ClassWeights struct {
	Balanced bool      // images / (classes * images of the class), counted in the training images
	Values   []float64 // in the order of the classes, all above 0
}

// Optimizer is the optimizer and its constants.
type Optimizer struct {
	Kind     string // sgd, nesterov, adam, adamw, rmsprop, rmsprop_torch
	LR       float64
	Momentum float64
	Decay    float64 // weight decay on conv and fc weights
	Beta1    float64 // adam
	Beta2    float64
	Rho      float64 // moving average of rmsprop and rmsprop_torch
	Eps      float64
}

// Schedule of the learning rate.
type Schedule struct {
	Kind   string    // constant, step, poly, exp, cosine, plateau
	Every  float64   // epochs between drops (step), epochs for one Factor (exp), or epochs of patience (plateau)
	Factor float64   // factor on the learning rate at each drop (step, plateau), or in Every epochs (exp)
	Power  float64   // poly
	Warmup float64   // epochs of linear warm-up, with any kind
	Floor  float64   // lowest learning rate
	At     []float64 // epochs of the drops (step), in place of Every
}

// Freeze names parts of the network that keep their weights and the running statistics
// of their batch norms. A part is the path of a label, a block or a layer.
type Freeze struct {
	Parts []string
	Until int // the last epoch in which they are frozen; 0 for all epochs
}

// Rate scales the learning rate of parts of the network.
type Rate struct {
	Parts []string
	By    float64
}

// Augment is one augment statement. Statements apply in order.
type Augment struct {
	Crop           int        // side of the random crop in pixels, 0 for none
	Pad            int        // pixels of zeros added on each side before the crop
	Flip           float64    // probability of a horizontal flip
	Area           [2]float64 // smallest and largest area of a random crop, as a share of the picture; zero for none
	Aspect         [2]float64
	Brightness     float64
	Contrast       float64
	Saturation     float64
	Lighting       float64 // PCA noise (Krizhevsky 2012)
	GCN, ZCA       bool    // global contrast normalization and whitening (Goodfellow 2013)
	Rotate, Shift  float64 // largest rotation in degrees; largest shift as a share of the side
	MeanStd        bool    // subtract the data set's own mean, divide by its std
	RandomErase    float64
	MeanSubtracted bool // subtract the data set's mean image
	// Mixing of pictures; one statement at most sets it, and it comes after all else.
	Mixup   float64 // alpha of mixup (Zhang 2018), 0 for none
	CutMix  float64 // alpha of CutMix (Yun 2019), 0 for none
	MixProb float64 // probability that a batch is mixed; 0 stands for 1
}

// Mixing is how the pictures of a batch are mixed in pairs, by mixup or CutMix.
type Mixing struct {
	Mixup, CutMix float64 // alpha of the beta distribution that the share of a picture is drawn from; 0 for never
	Prob          float64 // probability that a batch is mixed
}

// On reports whether some batches are mixed.
func (m Mixing) On() bool { return m.Mixup > 0 || m.CutMix > 0 }

// MixingOf returns the mixing that augment statements ask for, the zero value for none.
func MixingOf(augs []Augment) Mixing {
	for _, a := range augs {
		m := Mixing{a.Mixup, a.CutMix, a.MixProb}
		if m.Prob == 0 {
			m.Prob = 1
		}
		if m.On() {
			return m
		}
	}
	return Mixing{}
}

// Regularize holds penalties in addition to the optimizer's weight decay.
type Regularize struct {
	L1, L2  float64
	MaxNorm float64 // bound on the norm of the weights of one output (Srebro 2005; Goodfellow 2013)
}

// Clip bounds gradients before the update.
type Clip struct {
	Norm  float64
	Value float64
}

// Average is a running average of the weights, used for evaluation.
type Average struct {
	Kind  string  // polyak, ema
	Decay float64 // ema
}

// EarlyStop ends a run whose metric has not improved for Patience epochs.
type EarlyStop struct {
	Patience int
	Metric   string // accuracy, loss
}

// Run holds the batch size, the length of the training and the seed.
type Run struct {
	Batch  int
	Epochs float64
	Seed   int64
}

// Frozen returns the parts that are frozen in an epoch, counted from 0.
func (t *Train) Frozen(epoch int) []string {
	var parts []string
	for _, f := range t.Freeze {
		if f.Until == 0 || epoch < f.Until {
			parts = append(parts, f.Parts...)
		}
	}
	return parts
}

// Unfrozen returns the parts that are trained from an epoch on, counted from 0, and were
// frozen in the epoch before.
func (t *Train) Unfrozen(epoch int) []string {
	if epoch < 1 {
		return nil
	}
	still := t.Frozen(epoch)
	return slices.DeleteFunc(t.Frozen(epoch-1), func(p string) bool { return slices.Contains(still, p) })
}

// Unfreezes returns the epochs, counted from 0 and in rising order, that begin with
// fewer frozen parts than the epoch before.
func (t *Train) Unfreezes() []int {
	var at []int
	for _, f := range t.Freeze {
		if f.Until > 0 {
			at = append(at, f.Until)
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

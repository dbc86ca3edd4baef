// Package recipe holds what a spec says besides the layers: how a picture becomes the
// input, the names of the classes, and how to train. These are plain structs, filled by
// package dsl and read by the trainer and the backends.
package recipe

// Recipe is attached to a graph; a nil field was not given.
type Recipe struct {
	SpecHash string  // SHA-256 of the spec's text, hex
	Input    *Input  // preprocessing
	Labels   *Labels // class names
	Train    *Train
}

// Input says what is fed to the graph: (pixel scaled to Lo..Hi - Mean) / Std for
// each channel, after resizing and cropping.
type Input struct {
	Lo, Hi float64   // range of a pixel before mean and std: 0..255, 0..1, -1..1
	Mean   []float64 // a channel each, in the network's channel order; empty for none
	Std    []float64
	Order  string // "rgb", "bgr" or "grey"
	Resize int    // shorter side before the crop, in pixels; 0 resizes to the input's size
	Crop   string // "center" or "none"
}

// Labels names the classes.
type Labels struct {
	Set   string   // imagenet1k, mnist, cifar10, or the name of a file
	Names []string // in order of the logits; may be empty where the set's names are not at hand
}

// Train is everything that a train block says. Zero values stand for "not said".
type Train struct {
	Loss      Loss
	Optimizer Optimizer
	Schedule  Schedule
	Init      string // default initialization by name, as on an op
	Augment   []Augment
	Regular   Regularize
	Clip      Clip
	Average   Average
	EarlyStop EarlyStop
	Run       Run
}

// Loss of the main output and the heads.
type Loss struct {
	Kind      string  // "xent": softmax cross-entropy on the logits before a trailing softmax
	Smoothing float64 // label smoothing (Szegedy 2016, section 7)
}

// Optimizer and its constants.
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
	Kind   string  // constant, step, poly, exp, cosine, plateau
	Every  float64 // epochs between steps (step, exp), or of patience (plateau)
	Factor float64
	Power  float64 // poly
	Warmup float64 // epochs of linear warm-up, with any kind
	Floor  float64 // lowest learning rate
	At     []float64
}

// Augment is one statement of augmentation; they apply in order.
type Augment struct {
	Crop           int        // side of the random crop, 0 for none
	Pad            int        // zeros added around before the crop
	Flip           float64    // probability of a horizontal flip
	Area           [2]float64 // of a random area crop, as a share; zero for none
	Aspect         [2]float64
	Brightness     float64
	Contrast       float64
	Saturation     float64
	Lighting       float64 // PCA noise (Krizhevsky 2012)
	GCN, ZCA       bool    // global contrast normalization and whitening (Goodfellow 2013)
	Rotate, Shift  float64 // degrees; share of the side
	MeanStd        bool    // subtract the data set's own mean, divide by its std
	RandomErase    float64
	MeanSubtracted bool // subtract the data set's mean image
}

// Regularize are penalties beside the optimizer's weight decay.
type Regularize struct {
	L1, L2  float64
	MaxNorm float64 // of the weights of one output (Srebro 2005; Goodfellow 2013)
}

// Clip bounds gradients before the update.
type Clip struct {
	Norm  float64
	Value float64
}

// Average of weights, used for evaluation.
type Average struct {
	Kind  string  // polyak, ema
	Decay float64 // ema
}

// EarlyStop ends a run that no longer gains.
type EarlyStop struct {
	Patience int
	Metric   string // accuracy, loss
}

// Run is how long and how.
type Run struct {
	Batch  int
	Epochs float64
	Seed   int64
}

package dsl

import (
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// keysElsewhere maps the name of a setting in other systems (Keras, PyTorch, Caffe, ONNX)
// to the keys that it may mean in incc. The right one is the one that the op has.
var keysElsewhere = map[string][]string{
	"padding": {"pad"}, "pads": {"pad"}, "auto_pad": {"pad"}, "pad_mode": {"pad"}, "border_mode": {"pad"},
	"activation": {"act"}, "activation_fn": {"act"}, "nonlinearity": {"act"},
	"out_channels": {"filters"}, "channels": {"filters"}, "nb_filter": {"filters"}, "num_filters": {"filters"}, "num_output": {"filters", "units"},
	"out_features": {"units"}, "num_units": {"units"}, "nb_units": {"units"}, "output_dim": {"units"},
	"kernel_size": {"kernel"}, "kernel_shape": {"kernel"}, "filter_size": {"kernel"}, "pool_size": {"kernel"}, "ksize": {"kernel"},
	"use_bias": {"bias"}, "bias_term": {"bias"}, "dilation_rate": {"dilation"}, "dilations": {"dilation"}, "group": {"groups"},
	"kernel_initializer": {"init"}, "weights_initializer": {"init"}, "initializer": {"init"}, "weight_filler": {"init"},
	"kernel_constraint": {"max_norm"}, "maxnorm": {"max_norm"},
	"batch_norm": {"bn"}, "batchnorm": {"bn"}, "use_bn": {"bn"}, "batch_normalization": {"bn"},
	"epsilon": {"eps"}, "bn_eps": {"bn"}, "center": {"beta", "bn.beta"}, "use_scale": {"gamma", "bn.gamma"},
	"rate": {"p"}, "drop_rate": {"p"}, "dropout_rate": {"p"}, "dropout_ratio": {"p"}, "prob": {"p"}, "probability": {"p"},
	"ceil_mode": {"ceil"}, "count_include_pad": {"include_pad"}, "local_size": {"size"}, "depth_radius": {"size"},
	"times": {"times"}, "learning_rate": {"lr"}, "base_lr": {"lr"}, "lr_mult": {"lr"},
	"weight_decay": {"decay"}, "decay_mult": {"decay"}, "l2": {"decay"}, "kernel_regularizer": {"decay"},
	"beta_1": {"beta1"}, "beta_2": {"beta2"}, "batch_size": {"batch"}, "label_smoothing": {"smoothing"}, "class_weight": {"weights"}, "class_weights": {"weights"}, "nb_epoch": {"epochs"}, "num_epochs": {"epochs"},
	"normalize": {"mean", "std"}, "loss_weight": {"weight"},
}

// keyHelp maps settings of other systems that are no keys in incc to a hint about how to
// write them.
var keyHelp = map[string]string{
	"stride": "the stride belongs to the kernel: 3x3/2", "strides": "the stride belongs to the kernel: 3x3/2", "subsample": "the stride belongs to the kernel: 3x3/2",
	"kernel_size": "the kernel comes first, without a key: 3x3", "kernel_shape": "the kernel comes first, without a key: 3x3",
	"filter_size": "the kernel comes first, without a key: 3x3", "pool_size": "the kernel comes first, without a key: 3x3", "ksize": "the kernel comes first, without a key: 3x3",
	"dropout": "dropout is an op of its own: -> dropout 0.5", "dropout_rate": "dropout is an op of its own: -> dropout 0.5",
	"drop_rate": "dropout is an op of its own: -> dropout 0.5", "input_shape": "write the shape in the input statement: input image 3x224x224", "data_format": "maps are channels x height x width",
	"in_channels": "the channels of the input are known from what comes before", "in_features": "the inputs are known from what comes before",
	"name": "a label names a line: conv1: conv 3x3 64",
}

// elsewhereKey returns the key among names that another system calls key.
func elsewhereKey(key string, names []string) (string, bool) {
	for _, k := range keysElsewhere[strings.ToLower(key)] {
		if slices.Contains(names, k) {
			return k, true
		}
	}
	return "", false
}

// hintKey adds help for an unknown key to d: the key among names that was probably
// meant, or what to write instead. It returns false if it has nothing to add.
func hintKey(d *diag.Diagnostic, key *Ident, names []string) bool {
	help, known := keyHelp[strings.ToLower(key.Name)]
	near, ok := elsewhereKey(key.Name, names)
	switch {
	case ok && !(known && near == "kernel"):
	case known:
		d.WithHelp("%s", help)
		return true
	default:
		near, ok = diag.Nearest(key.Name, names)
	}
	if ok {
		d.WithHelp("did you mean %s?", near).Suggest(key.Span, near)
	}
	return ok
}

// meantByKey reports whether a call gives the positional argument name as key=value,
// with the key that another system uses for it.
func meantByKey(c *Call, name string) bool {
	return slices.ContainsFunc(c.Args, func(a *Arg) bool {
		if a.Key == nil {
			return false
		}
		_, ok := elsewhereKey(a.Key.Name, []string{name})
		return ok
	})
}

package keras

import (
	"errors"
	"fmt"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// plain are activations that are one op of ONNX.
var plain = map[string]string{"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "softsign": "Softsign",
	"selu": "Selu", "exponential": "Exp", "mish": "Mish", "elu": "Elu"}

// activate adds an activation, with its output.
func (s *step) activate(x value, function, out string) (value, error) {
	one := func(op string, attrs ...*onnxpb.AttributeProto) (value, error) {
		return s.node(op, out, x.rank, []string{x.name}, attrs...), nil
	}
	if op := plain[function]; op != "" {
		return one(op)
	}
	switch function {
	case "linear":
		return x, nil
	case "relu6":
		return s.clip(x, 0, 6, out), nil
	case "softmax":
		return s.softmax("Softmax", x, -1, out)
	case "log_softmax":
		return s.softmax("LogSoftmax", x, -1, out)
	case "gelu":
		return one("Gelu")
	case "leaky_relu":
		return one("LeakyRelu", float("alpha", 0.2))
	case "silu", "swish":
		y := s.node("Sigmoid", out+"/sigmoid", x.rank, []string{x.name})
		return s.node("Mul", out, x.rank, []string{x.name, y.name}), nil
	case "hard_sigmoid":
		if s.file.isKeras3() {
			return one("HardSigmoid", float("alpha", 1./6), float("beta", 0.5))
		}
		return one("HardSigmoid", float("alpha", 0.2), float("beta", 0.5))
	case "hard_silu", "hard_swish":
		return one("HardSwish")
	}
	return x, fmt.Errorf("activation %s is not read", diag.Quote(function))
}

// clip limits a value.
func (s *step) clip(x value, lo, hi float32, out string) value {
	return s.node("Clip", out, x.rank, []string{x.name, s.floats(out+"/min", []int{}, []float32{lo}), s.floats(out+"/max", []int{}, []float32{hi})})
}

// softmax adds a softmax over an axis of Keras.
func (s *step) softmax(op string, x value, axis int, out string) (value, error) {
	axis = fromFront(axis, x.rank)
	at, ok := axisOf(axis, x.rank)
	if !ok {
		return x, fmt.Errorf("a softmax over axis %d of %d", axis, x.rank)
	}
	return s.node(op, out, x.rank, []string{x.name}, integer("axis", at)), nil
}

func softmaxLayer(s *step) (value, error) {
	axes := s.l.numbers("axis")
	if len(axes) > 1 || len(s.in) > 1 {
		return s.in[0], errors.New("several axes, and masks, are not read")
	}
	axis := -1
	if len(axes) == 1 {
		axis = int(axes[0])
	}
	return s.softmax("Softmax", s.in[0], axis, s.out)
}

func relu(s *step) (value, error) {
	x := s.in[0]
	if s.l.number("threshold", 0) != 0 {
		return x, errors.New("threshold is not read")
	}
	slope := s.l.number("negative_slope", 0)
	if !s.l.has("max_value") {
		if slope == 0 {
			return s.add("Relu", "", x.rank, []string{x.name}), nil
		}
		return s.add("LeakyRelu", "", x.rank, []string{x.name}, float("alpha", slope)), nil
	}
	if slope != 0 {
		return x, errors.New("max_value together with negative_slope is not read")
	}
	return s.clip(x, 0, float32(s.l.number("max_value", 0)), s.out), nil
}

func leaky(s *step) (value, error) {
	x := s.in[0]
	return s.add("LeakyRelu", "", x.rank, []string{x.name}, float("alpha", s.l.number("negative_slope", s.l.number("alpha", 0.3)))), nil
}

func elu(s *step) (value, error) {
	x := s.in[0]
	return s.add("Elu", "", x.rank, []string{x.name}, float("alpha", s.l.number("alpha", 1))), nil
}

// prelu has a slope for each element, or for each channel (shared_axes).
func prelu(s *step) (value, error) {
	x := s.in[0]
	data, shape, err := s.weight("alpha")
	if err != nil {
		return x, err
	}
	if len(shape)+1 != x.rank {
		return x, fmt.Errorf("alpha has the shape %v", shape)
	}
	if len(shape) == 3 {
		data, shape = reordered(data, shape, []int{2, 0, 1})
	}
	return s.add("PRelu", "", x.rank, []string{x.name, s.floats(s.path+"/alpha", shape, data)}), nil
}

package keras

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// lastAxis returns an error unless a normalization is over the channels.
func (s *step) lastAxis() error {
	for _, a := range s.l.numbers("axis") {
		if rank := s.in[0].rank; a != -1 && int(a) != rank-1 || len(s.l.numbers("axis")) != 1 {
			return fmt.Errorf("axis %v is not read (want the channels, -1)", s.l.numbers("axis"))
		}
	}
	return nil
}

// epsilon returns the setting epsilon, which keeps the root of a variance from 0.
func (s *step) epsilon() (float64, error) {
	e := s.l.number("epsilon", 1e-3)
	if s.l.has("epsilon") && len(s.l.numbers("epsilon")) != 1 || e < 0 || math.IsInf(float64(float32(e)), 0) {
		return 0, fmt.Errorf("epsilon is %s (want a number from 0)", diag.Quote(string(s.l.raw["epsilon"])))
	}
	return e, nil
}

// orConstant adds a vector, or one of n equal elements if the layer goes without it.
func (s *step) orConstant(has bool, role string, x float32, n int) (string, error) {
	if has {
		name, m, err := s.vector(role)
		if err == nil && m != n {
			err = fmt.Errorf("%s has %d elements, want %d", role, m, n)
		}
		return name, err
	}
	return s.floats(s.path+"/"+role, []int{n}, slices.Repeat([]float32{x}, n)), nil
}

func batchNorm(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	mean, n, err := s.vector("moving_mean")
	if err != nil {
		return x, err
	}
	variance, err := s.orConstant(true, "moving_variance", 1, n)
	if err != nil {
		return x, err
	}
	gamma, err := s.orConstant(s.l.flag("scale", true), "gamma", 1, n)
	if err != nil {
		return x, err
	}
	beta, err := s.orConstant(s.l.flag("center", true), "beta", 0, n)
	if err != nil {
		return x, err
	}
	e, err := s.epsilon()
	return s.add("BatchNormalization", "", x.rank, []string{x.name, gamma, beta, mean, variance}, float("epsilon", e)), err
}

func layerNorm(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	if s.l.flag("rms_scaling", false) {
		return x, errors.New("rms_scaling is not read")
	}
	n := 0
	for _, role := range []string{"gamma", "beta"} {
		if t, ok := s.tensors.Info(s.path + "/" + role); ok {
			n = int(t.Elements())
		}
	}
	if n == 0 {
		return x, errors.New("it has neither gamma nor beta, which is not read")
	}
	gamma, err := s.orConstant(s.l.flag("scale", true), "gamma", 1, n)
	if err != nil {
		return x, err
	}
	beta, err := s.orConstant(s.l.flag("center", true), "beta", 0, n)
	if err != nil {
		return x, err
	}
	e, err := s.epsilon()
	if err != nil {
		return x, err
	}
	attrs := []*onnxpb.AttributeProto{integer("axis", -1), float("epsilon", e)}
	if x.rank != 4 {
		return s.add("LayerNormalization", "", x.rank, []string{x.name, gamma, beta}, attrs...), nil
	}
	x = s.channelsLast(x, s.out+"/channels_last")
	x = s.add("LayerNormalization", "/normalize", x.rank, []string{x.name, gamma, beta}, attrs...)
	return s.channelsFirst(x, s.out), nil
}

// channels adds numbers for each channel, or one for all, in the shape that broadcasts over a
// value.
func (s *step) channels(name string, data []float32, rank int) string {
	shape := []int{len(data)}
	if rank == 4 && len(data) > 1 {
		shape = []int{1, len(data), 1, 1}
	}
	return s.floats(s.path+"/"+name, shape, data)
}

// settings returns a list of numbers as float32, or one number.
func (s *step) settings(key string, otherwise float32) []float32 {
	var out []float32
	for _, x := range s.l.numbers(key) {
		out = append(out, float32(x))
	}
	if out == nil {
		return []float32{otherwise}
	}
	return out
}

func rescaling(s *step) (value, error) {
	x := s.in[0]
	x = s.add("Mul", "/scaled", x.rank, []string{x.name, s.channels("scale", s.settings("scale", 1), x.rank)})
	return s.add("Add", "", x.rank, []string{x.name, s.channels("offset", s.settings("offset", 0), x.rank)}), nil
}

// normalization converts (x - mean) / max(sqrt(variance), 1e-7).
func normalization(s *step) (value, error) {
	x := s.in[0]
	if err := s.lastAxis(); err != nil {
		return x, err
	}
	if s.l.flag("invert", false) {
		return x, errors.New("invert is not read")
	}
	mean, variance := s.settings("mean", 0), s.settings("variance", 1)
	if !s.l.has("mean") {
		var err error
		if mean, _, err = s.weight("mean"); err != nil {
			return x, err
		}
		if variance, _, err = s.weight("variance"); err != nil {
			return x, err
		}
	}
	deviation := make([]float32, len(variance))
	for i, v := range variance {
		deviation[i] = max(float32(math.Sqrt(float64(v))), 1e-7)
	}
	x = s.add("Sub", "/centred", x.rank, []string{x.name, s.channels("mean", mean, x.rank)})
	return s.add("Div", "", x.rank, []string{x.name, s.channels("deviation", deviation, x.rank)}), nil
}

func layerScale(s *step) (value, error) {
	x := s.in[0]
	gamma, _, err := s.weight("gamma")
	if err != nil {
		return x, err
	}
	return s.add("Mul", "", x.rank, []string{x.name, s.channels("gamma", gamma, x.rank)}), nil
}

// customScale is a layer of Inception-ResNet: x + scale * y.
func customScale(s *step) (value, error) {
	if len(s.in) != 2 {
		return s.in[0], fmt.Errorf("it has %d inputs (want 2)", len(s.in))
	}
	y := s.add("Mul", "/scaled", s.in[1].rank, []string{s.in[1].name, s.channels("scale", s.settings("scale", 1), 1)})
	return s.add("Add", "", s.in[0].rank, []string{s.in[0].name, y.name}), nil
}

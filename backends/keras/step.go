package keras

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// step is a call of a layer that is converted.
type step struct {
	*builder
	l       *Layer
	path    string  // of the layer
	out     string  // the name of the output
	in      []value // at least one
	numbers []float64
}

// add adds a node with the output of the layer, or with an output inside of it if a suffix is
// given.
func (s *step) add(op, suffix string, rank int, in []string, attrs ...*onnxpb.AttributeProto) value {
	return s.node(op, s.out+suffix, rank, in, attrs...)
}

// x returns the first input, which must have the given rank.
func (s *step) x(rank int) (value, error) {
	if v := s.in[0]; v.rank != rank {
		return v, fmt.Errorf("its input has %d axes (want %d)", v.rank, rank)
	}
	return s.in[0], s.dataFormat()
}

// dataFormat returns an error if the layer computes on channels, height, width.
func (s *step) dataFormat() error {
	if s.l.text("data_format", "channels_last") != "channels_last" {
		return errors.New("data_format channels_first is not read")
	}
	return nil
}

// weight returns the elements and the shape of a weight.
func (s *step) weight(role string) (data []float32, shape []int, err error) {
	name := s.path + "/" + role
	t, ok := s.tensors.Info(name)
	if !ok {
		return nil, nil, fmt.Errorf("the file has no weight %s", diag.Quote(name))
	}
	data, err = s.tensors.Float32s(name)
	return data, t.Shape, err
}

// vector adds a weight of one axis, as an initializer.
func (s *step) vector(role string) (name string, n int, err error) {
	data, shape, err := s.weight(role)
	if err != nil {
		return "", 0, err
	}
	if len(shape) != 1 {
		return "", 0, fmt.Errorf("%s has the shape %v (want one axis)", role, shape)
	}
	return s.floats(s.path+"/"+role, shape, data), len(data), nil
}

// kernel adds a weight with its axes in another order, as an initializer.
func (s *step) kernel(role string, rank int, order ...int) (name string, shape []int, err error) {
	data, from, err := s.weight(role)
	if err != nil {
		return "", nil, err
	}
	if len(from) != rank {
		return "", nil, fmt.Errorf("%s has the shape %v (want %d axes)", role, from, rank)
	}
	data, shape = reordered(data, from, order)
	return s.floats(s.path+"/"+role, shape, data), shape, nil
}

// reordered returns an array with its axes in another order.
func reordered(data []float32, from, order []int) (out []float32, shape []int) {
	stride := make([]int, len(from))
	step := 1
	for i, d := range slices.Backward(from) {
		stride[i] = step
		step *= d
	}
	at := make([]int, len(order))
	for _, i := range order {
		shape = append(shape, from[i])
	}
	out = make([]float32, 0, len(data))
	for range data {
		k := 0
		for i, o := range order {
			k += at[i] * stride[o]
		}
		out = append(out, data[k])
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return out, shape
}

// sizes returns a setting of two whole numbers from 1.
func (s *step) sizes(key string) ([]int64, error) {
	list := s.l.numbers(key)
	switch len(list) {
	case 0:
		return []int64{1, 1}, nil
	case 1:
		list = append(list, list[0])
	}
	var out []int64
	for _, x := range list {
		if !isWhole(x, 1, 1<<20) {
			return nil, fmt.Errorf("%s has %g", key, x)
		}
		out = append(out, int64(x))
	}
	if len(out) != 2 {
		return nil, fmt.Errorf("%s has %d numbers (want 2)", key, len(out))
	}
	return out, nil
}

// isWhole reports whether x is a whole number from lo to hi.
func isWhole(x, lo, hi float64) bool { return x == math.Trunc(x) && lo <= x && x <= hi }

// agrees returns an error if a setting is there and differs from the extents that the weights have. A
// single number is the extent of every axis.
func (s *step) agrees(key string, want ...int) error {
	if !s.l.has(key) {
		return nil
	}
	list := s.l.numbers(key)
	if len(list) == 1 {
		list = slices.Repeat(list, len(want))
	}
	if !slices.EqualFunc(list, want, func(x float64, n int) bool { return x == float64(n) }) {
		return fmt.Errorf("%s is %s, and the weights have %s: the file is damaged, save the model again", key, diag.Quote(string(s.l.raw[key])), strings.Trim(fmt.Sprint(want), "[]"))
	}
	return nil
}

package keras

import (
	"fmt"
	"math"

	"github.com/incc-lang/incc/ir/diag"
)

// sides returns a setting of margins: top, left, bottom, right.
func (s *step) sides(key string) ([4]int64, error) {
	var out [4]int64
	var pairs [][]float64
	if !s.l.value(key, &pairs) {
		list := s.l.numbers(key)
		if len(list) == 1 {
			list = append(list, list[0])
		}
		for _, x := range list {
			pairs = append(pairs, []float64{x, x})
		}
	}
	if len(pairs) != 2 || len(pairs[0]) != 2 || len(pairs[1]) != 2 {
		return out, fmt.Errorf("%s is not two pairs of numbers", key)
	}
	for i, x := range []float64{pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]} {
		if !isWhole(x, 0, 1<<20) {
			return out, fmt.Errorf("%s has %g", key, x)
		}
		out[i] = int64(x)
	}
	return out, nil
}

func zeroPadding(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	p, err := s.sides("padding")
	return s.add("Pad", "", 4, []string{x.name, s.int64s(s.path+"/pads", 0, 0, p[0], p[1], 0, 0, p[2], p[3])}), err
}

func cropping(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	p, err := s.sides("cropping")
	end := func(n int64) int64 {
		if n == 0 {
			return math.MaxInt64
		}
		return -n
	}
	return s.add("Slice", "", 4, []string{x.name, s.int64s(s.path+"/begin", p[0], p[1]), s.int64s(s.path+"/end", end(p[2]), end(p[3])), s.int64s(s.path+"/axes", 2, 3)}), err
}

func upSampling(s *step) (value, error) {
	x, err := s.x(4)
	if err != nil {
		return x, err
	}
	n, err := s.sizes("size")
	if err != nil {
		return x, err
	}
	scales := s.floats(s.path+"/scales", []int{4}, []float32{1, 1, float32(n[0]), float32(n[1])})
	in := []string{x.name, "", scales}
	switch mode := s.l.text("interpolation", "nearest"); mode {
	case "nearest":
		return s.add("Resize", "", 4, in, text("mode", "nearest"), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")), nil
	case "bilinear":
		return s.add("Resize", "", 4, in, text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")), nil
	default:
		return x, fmt.Errorf("interpolation %s is not read (want nearest or bilinear)", diag.Quote(mode))
	}
}

package onnx

import "testing"

// TestFactorFor: the factor of a resizing gives the size in float32, as in ONNX Runtime, and in
// float64, as in onnx's checker.
func TestFactorFor(t *testing.T) {
	for in := 1; in <= 64; in++ {
		for out := 1; out <= 200; out++ {
			f, ok := factorFor(in, out)
			if !ok {
				t.Errorf("no factor for %d to %d", in, out)
				continue
			}
			if a, b := int(float32(in)*float32(f)), int(float64(in)*f); a != out || b != out {
				t.Errorf("%g makes %d or %d of %d, want %d", f, a, b, in, out)
			}
		}
	}
}

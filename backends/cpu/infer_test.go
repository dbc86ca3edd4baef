package cpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// twoByTwo is a network with two inputs and two outputs.
func twoByTwo(t *testing.T) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("two")
	x := b.Input("image", ir.Type{Shape: ir.Shape{ir.Batch, 3, 8, 8}})
	y := b.Input("mask", ir.Type{Shape: ir.Shape{ir.Batch, 1, 8, 8}})
	w := b.Param("filters", ir.Shape{4, 3, 1, 1}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 1}})
	z := b.Do(ops.Mul{}, b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, x, w), y)
	g := b.Graph()
	g.Outputs = []*ir.Value{b.Do(ops.GlobalAvgPool{}, z), b.Do(ops.ReLU{}, z)}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g.Outputs[0].Name, g.Outputs[1].Name = "mean", "map"
	return g
}

func drawShape(name string, shape ...int) *tensor.F32 {
	return ir.Draw(name, shape, ir.Init{Kind: ir.InitUniform, A: 1}, 1)
}

// Infer gives what the reference interpreter gives, for more images than a run takes.
func TestInfer(t *testing.T) {
	g := twoByTwo(t)
	p, err := Compile(g, Options{Batch: 2, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Inputs(), p.Outputs()); got != "[{image Nx3x8x8} {mask Nx1x8x8}] [{mean Nx4x1x1} {map Nx4x8x8}]" {
		t.Errorf("ports: %s", got)
	}
	x, y := drawShape("x", 5, 3, 8, 8), drawShape("y", 5, 1, 8, 8)
	res, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x), tensor.Widen(y)}, ref.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	named, err := p.InferNamed(map[string]*tensor.F32{"image": x, "mask": y})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Outputs {
		got, want := named[v.Name], res[v]
		if !slices.Equal(got.Shape, want.Shape) {
			t.Fatalf("%s has shape %v, want %v", v.Name, got.Shape, want.Shape)
		}
		if d, largest := tensor.MaxDiff(tensor.Widen(got), want); !(d <= 1e-6*largest) || largest == 0 {
			t.Errorf("%s differs by %g of %g", v.Name, d, largest)
		}
	}
}

// Many goroutines call Infer of one program at a time, with different numbers of images: each
// gets the bits that it gets alone.
func TestInferConcurrent(t *testing.T) {
	p, err := Compile(twoByTwo(t), Options{Batch: 2, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	type job struct{ in, want []*tensor.F32 }
	var jobs []job
	for i := range 6 {
		n := i%3 + 1
		j := job{in: []*tensor.F32{drawShape(fmt.Sprint("x", i), n, 3, 8, 8), drawShape(fmt.Sprint("y", i), n, 1, 8, 8)}}
		if j.want, err = p.Infer(j.in...); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 40 {
				j := jobs[(worker+i)%len(jobs)]
				got, err := p.Infer(j.in...)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range got {
					if !slices.Equal(got[k].Data, j.want[k].Data) {
						t.Errorf("worker %d: output %d of job %d has other bits", worker, k, (worker+i)%len(jobs))
					}
				}
			}
		})
	}
	all.Wait()
}

func TestInferErrors(t *testing.T) {
	p, err := Compile(twoByTwo(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, y := drawShape("x", 1, 3, 8, 8), drawShape("y", 1, 1, 8, 8)
	for _, c := range []struct {
		in   []*tensor.F32
		want string
	}{
		{[]*tensor.F32{x}, "has 2 inputs, 1 were given"},
		{[]*tensor.F32{x, nil}, "input mask (Nx1x8x8) is nil"},
		{[]*tensor.F32{y, x}, "input image is Nx3x8x8, an array of shape 1x1x8x8"},
		{[]*tensor.F32{x, drawShape("y", 2, 1, 8, 8)}, "input mask has 2 images, an input before it 1"},
		{[]*tensor.F32{x, {Shape: []int{1, 1, 8, 8}, Data: make([]float32, 7)}}, "with 7 numbers was given"},
		{[]*tensor.F32{{Shape: []int{0, 3, 8, 8}}, y}, "an array of shape 0x3x8x8"},
	} {
		if _, err := p.Infer(c.in...); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	for want, in := range map[string]map[string]*tensor.F32{
		"input mask (Nx1x8x8) of two is missing":                                {"image": x},
		`two has no input "extra" (it has "image" (Nx3x8x8), "mask" (Nx1x8x8))`: {"image": x, "mask": y, "extra": y},
		`two has no input "x" (it has "image"`:                                  {"x": x, "y": y},
	} {
		if _, err := p.InferNamed(in); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

package torch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// TestTableHasEveryOp: PyTorch has a form of every op that a spec can use.
func TestTableHasEveryOp(t *testing.T) {
	for _, name := range table.Missing() {
		if name == "cross_entropy" || name == "quantize" {
			continue // the loss, which train.py computes; a pass adds it
		}
		if !ir.Lookup(name).Grad {
			t.Errorf("no row for %s", name)
		}
	}
}

// opCase is a network of one op.
type opCase struct {
	name   string
	g      *ir.Graph
	inputs []*tensor.Tensor // of the op, also those that are weights
	isLive []bool           // whether an operand is an input of the network
}

// newOpCase makes a network of an example. With weights, the operands after the first are
// weights; otherwise all are inputs.
func newOpCase(t *testing.T, name string, x ir.Example, weights bool, r *rand.Rand) *opCase {
	t.Helper()
	const batch = 3
	b := ir.NewBuilder(name)
	c := &opCase{name: name}
	var in []*ir.Value
	for i, typ := range x.In {
		v := tensor.New(typ.Shape.Bind(batch)...)
		data := tensor.Of(make([]float32, len(v.Data)), v.Shape...)
		for k := range v.Data {
			data.Data[k] = float32(r.Float64()*2 + 0.1) // positive: some are variances or under a root
			if ir.Name(x.Op) != "sqrt" && i < 3 && r.IntN(2) == 0 {
				data.Data[k] = -data.Data[k]
			}
			v.Data[k] = float64(data.Data[k])
		}
		c.inputs = append(c.inputs, v)
		if weights && i > 0 && !typ.Shape.Symbolic() {
			names := []string{"", "weight", "bias", "mean", "variance"}
			if ir.Name(x.Op) == "batchnorm" {
				names[1], names[2] = "gamma", "beta"
			}
			kind := ir.Weight
			if i > 2 && ir.Name(x.Op) == "batchnorm" {
				kind = ir.State
			}
			p := b.Param("part/layer/"+names[i], typ.Shape, ir.Param{Kind: kind, LR: 1, Init: ir.Init{Kind: ir.InitConstant}})
			b.Graph().Data[p.Name] = data
			in, c.isLive = append(in, p), append(c.isLive, false)
			continue
		}
		in, c.isLive = append(in, b.Input(fmt.Sprintf("in %d", i), typ)), append(c.isLive, true)
	}
	b.Prefix = "part/"
	outs := b.DoN(x.Op, in...)
	if outs[0] != nil {
		outs[0].Name = "part/layer"
	}
	if err := b.Err(); err != nil {
		t.Fatal(name, err)
	}
	c.g = b.Graph()
	c.g.Outputs = outs
	if err := ir.Verify(c.g); err != nil {
		t.Fatal(name, err)
	}
	return c
}

// TestOps compares the examples of every op with the reference, with weights in modules and
// with operands that are inputs.
func TestOps(t *testing.T) {
	python(t)
	r := rand.New(rand.NewPCG(1, 2))
	var cases []*opCase
	for _, d := range ir.Defs() {
		if d.Grad || !table.Has(d.Default()) {
			continue
		}
		examples := d.Examples
		if d.Name == "node" {
			examples = layerNodes() // the others are not layers
		}
		for i, x := range examples {
			if x.Violates != 0 || slices.ContainsFunc(x.In, func(t ir.Type) bool { return t.DType != ir.F32 }) {
				continue
			}
			for _, weights := range []bool{false, true} {
				cases = append(cases, newOpCase(t, fmt.Sprintf("%s_%d_%v", d.Name, i, weights), x, weights, r))
			}
		}
	}
	for i, p := range morePools() {
		cases = append(cases, newOpCase(t, fmt.Sprintf("pool_%d", i), p, false, r))
	}
	var dirs []string
	for _, c := range cases {
		dirs = append(dirs, c.write(t))
	}
	runOracle(t, dirs)
	for i, c := range cases {
		c.compare(t, dirs[i])
	}
}

// layerNodes are the operators of ONNX that are layers of the language.
func layerNodes() []ir.Example {
	shape := func(dims ...int) ir.Type { return ir.Float(dims...) }
	x := shape(ir.Batch, 4, 5, 6)
	list := []ir.Example{
		{Op: ops.Shuffle(2, true), In: []ir.Type{x}},
		{Op: ops.Shuffle(2, false), In: []ir.Type{x}},
		{Op: ops.InstanceNorm(1e-3), In: []ir.Type{x, shape(4), shape(4)}},
		{Op: ops.GroupNorm(2, 1e-5), In: []ir.Type{x, shape(4), shape(4)}},
		{Op: ops.Node{Type: "PRelu"}, In: []ir.Type{x, shape(4, 1, 1)}},
		{Op: ops.Node{Type: "PRelu"}, In: []ir.Type{x, shape(1)}},
		{Op: ops.Node{Type: "Elu", Attrs: "alpha:0.5"}, In: []ir.Type{x}},
		{Op: ops.Node{Type: "Mish"}, In: []ir.Type{x}},
		{Op: ops.Node{Type: "Mul"}, In: []ir.Type{x, shape(4, 1, 1)}},
		{Op: ops.Node{Type: "Sub"}, In: []ir.Type{x, x}},
	}
	for _, mode := range ops.PadModes {
		list = append(list, ir.Example{Op: ops.Padding(ir.Pads{1, 2, 3, 0}, mode), In: []ir.Type{x}})
	}
	one := ir.HW{1, 1}
	for _, t := range []ops.Transposed{
		{Stride: ir.HW{2, 2}, Dilation: one, Groups: 1},
		{Stride: ir.HW{2, 1}, Dilation: one, Groups: 2, Pad: ir.Pads{1, 1, 1, 1}, Out: ir.HW{1, 0}},
		{Stride: ir.HW{3, 2}, Dilation: ir.HW{2, 1}, Groups: 4, Pad: ir.Pads{0, 1, 2, 0}, Out: ir.HW{2, 1}},
	} {
		w := shape(4, 2, 3, 2)
		list = append(list, ir.Example{Op: t.Node(), In: []ir.Type{x, w}}, ir.Example{Op: t.Node(), In: []ir.Type{x, w, shape(2 * t.Groups)}})
	}
	for _, r := range []ops.Resizing{
		{By: [2]float64{2, 2}, Mode: "nearest", Coords: "asymmetric", Nearest: "floor"},
		{By: [2]float64{2, 3}, Mode: "linear", Coords: "half_pixel"},
		{To: ir.HW{9, 7}, Mode: "linear", Coords: "align_corners"},
		{To: ir.HW{9, 7}, Mode: "cubic", Coords: "half_pixel", Cubic: -0.75},
		{To: ir.HW{3, 11}, Mode: "nearest", Coords: "half_pixel", Nearest: "round_prefer_ceil"},
		{To: ir.HW{3, 11}, Mode: "nearest", Coords: "asymmetric", Nearest: "floor"},
	} {
		list = append(list, ir.Example{Op: r.Node(), In: []ir.Type{x}})
	}
	return list
}

// morePools are pools with paddings that PyTorch does not have.
func morePools() []ir.Example {
	var list []ir.Example
	for _, pad := range []ir.Pads{{0, 0, 1, 1}, {1, 0, 1, 2}, {1, 1, 0, 0}, {2, 2, 2, 2}, {0, 0, 2, 2}, {1, 1, 2, 2}} {
		for _, ceil := range []bool{false, true} {
			for _, hw := range [][2]int{{7, 8}, {6, 5}} {
				in := []ir.Type{ir.Float(ir.Batch, 2, hw[0], hw[1])}
				k, s := ir.HW{3, 3}, ir.HW{2, 2}
				list = append(list,
					ir.Example{Op: ops.MaxPool{Kernel: k, Stride: s, Pad: pad, Ceil: ceil}, In: in},
					ir.Example{Op: ops.AvgPool{Kernel: k, Stride: s, Pad: pad, Ceil: ceil}, In: in},
					ir.Example{Op: ops.AvgPool{Kernel: k, Stride: s, Pad: pad, Ceil: ceil, IncludePad: true}, In: in})
			}
		}
	}
	return list
}

func (c *opCase) write(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "op")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	text, err := Model(c.g, "incc gen torch "+c.name)
	if err != nil {
		t.Fatal(c.name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.py"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	writeValues(t, filepath.Join(dir, "weights.safetensors"), weights(c.g))
	given := values{}
	for i, x := range c.inputs {
		if c.isLive[i] {
			given[fmt.Sprintf("input_%d", len(given))] = tensor.Round(x)
		}
	}
	writeValues(t, filepath.Join(dir, "input.safetensors"), given)
	return dir
}

func (c *opCase) compare(t *testing.T, dir string) {
	t.Helper()
	n := c.g.Outputs[0].Def
	want, err := n.Op.Eval(c.inputs)
	if err != nil {
		t.Fatal(err)
	}
	got := readValues(t, filepath.Join(dir, "output.safetensors"))
	for i, w := range want {
		x := got[fmt.Sprintf("output_%d", i)]
		if x == nil {
			t.Fatalf("%s: PyTorch has no output %d", c.name, i)
		}
		if len(x.Data) != len(w.Data) {
			t.Errorf("%s: output %d is %v, want %v", c.name, i, x.Shape, w.Shape)
		} else if d := distance(x.Data, tensor.Round(w).Data); !(d <= 1e-5) {
			t.Errorf("%s: output %d differs by %.2g of its largest number", c.name, i, d)
		}
	}
}

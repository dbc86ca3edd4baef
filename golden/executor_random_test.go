package golden

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// How far the executor may be from the reference, relative to the largest element.
const (
	directTolerance   = 1e-4
	winogradTolerance = 1e-3
)

// TestExecutorRandomGraphs runs random networks on the reference interpreter, on
// every tier of the executor that the machine has, directly and with Winograd, as
// they are and after all passes, in batches of 1 to 5 on 1 to 8 threads, and in
// ONNX Runtime: they agree, and the vector tiers and all numbers of threads give
// the same bits. Some networks amplify rounding (a difference of nearly equal numbers before a
// normalization). For these the tolerance is larger: as much as the result of the reference
// changes when its inputs change by a rounding error. INCC_LONG=all runs 50,000 networks;
// INCC_FROM=43200 begins with that one.
func TestExecutorRandomGraphs(t *testing.T) {
	count, everyORT := int64(longtest.Count(100, 500, 50_000)), int64(longtest.Count(3, 1, 1))
	begin := int64(0)
	if longtest.All() {
		if from := os.Getenv("INCC_FROM"); from != "" {
			n, err := strconv.ParseInt(from, 10, 64)
			if err != nil || n < 0 || n >= count {
				t.Fatalf("INCC_FROM=%s: want a network to begin with, 0 to %d", from, count-1)
			}
			begin = n
		}
	}
	t.Logf("tiers: %v", kernel.Available())
	var ort *peers.Peer
	t.Run("onnxruntime", func(sub *testing.T) {
		p, err := peers.StartORT(peers.ORT)
		var missing *peers.MissingError
		if errors.As(err, &missing) && !peers.Required() {
			sub.Skip(err)
		}
		if err != nil {
			sub.Fatal(err)
		}
		ort = p
	})
	if ort != nil {
		defer ort.Close()
	}
	var done tally
	for first := begin; first < count && !t.Failed(); first += 100 {
		t.Run(fmt.Sprintf("%d..%d", first, first+99), func(t *testing.T) { // models go when a subtest ends
			for seed := first; seed < first+100 && !t.Failed(); seed++ {
				p := ort
				if seed%everyORT != 0 {
					p = nil
				}
				done.graph(t, seed, p)
			}
		})
	}
	t.Logf("%d networks, %d programs, %d of them with Winograd, %d networks in ONNX Runtime; worst differences: direct %.2g, Winograd %.2g, ONNX Runtime %.2g; %d networks amplify rounding",
		done.graphs, done.programs, done.winograd, done.onnx, done.worst[0], done.worst[1], done.worst[2], done.wild)
	if done.winograd == 0 || (ort != nil && done.onnx < int((count-begin)/everyORT)*3/4) || done.wild > int((count-begin)/20) {
		t.Error("too little was compared")
	}
}

// tally counts what was compared.
type tally struct {
	graphs, programs, winograd, onnx, wild int
	worst                                  [3]float64 // direct, Winograd, ONNX Runtime
}

// way is a way to run a network; all ways of a family must give the same bits.
type way struct {
	family  string
	isa     string
	threads int
	level   int
	direct  bool
}

func (w way) String() string {
	how := "Winograd"
	if w.direct {
		how = "direct"
	}
	return fmt.Sprintf("-O%d %s on %s, %d threads", w.level, how, w.isa, w.threads)
}

// ways lists how a network is run: on every tier, with and without Winograd, and on other
// numbers of threads.
func ways(seed int64) (ws []way) {
	for _, isa := range kernel.Available() {
		for _, direct := range []bool{true, false} {
			family := fmt.Sprint("vector, direct: ", direct)
			if isa == kernel.Portable {
				family = fmt.Sprint("portable, direct: ", direct)
			}
			w := way{family: family, isa: isa.String(), threads: 1, direct: direct}
			if !direct || seed%2 == 0 {
				w.level = 2
				w.family += " -O2"
			}
			ws = append(ws, w)
		}
	}
	best := ws[0]
	if i, err := kernel.Best(); err == nil {
		best = ws[slices.IndexFunc(ws, func(w way) bool { return w.isa == i.String() })]
	}
	for _, n := range []int{2, 3, 8} {
		best.threads = n
		ws = append(ws, best)
		w := ws[slices.IndexFunc(ws, func(w way) bool { return w.isa == best.isa && !w.direct })]
		w.threads = n
		ws = append(ws, w)
	}
	return ws
}

func (c *tally) graph(t *testing.T, seed int64, ort *peers.Peer) {
	g := irtest.Random(seed, irtest.Options{Fused: seed%4 == 1, Heads: seed%3 == 0, Skip: beyondExecutor})
	batch := 1 + int(seed%5)
	x := irtest.Inputs(g, batch, seed)
	for i := range x {
		x[i] = tensor.Widen(tensor.Round(x[i]))
	}
	want, err := ref.Run(g, x, ref.Options{})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	c.graphs++
	outputs := g.All()
	floor := sensitivity(t, g, x, want)
	if slices.Max(floor) > directTolerance/4 {
		c.wild++
	}
	check := func(what string, i int, got []float32, tolerance float64) float64 {
		w := want[outputs[i]]
		d, m := tensor.MaxDiff(tensor.Widen(tensor.Of(got, w.Shape...)), w)
		// The output of some networks is zero; smaller numbers than this count as zero.
		m = math.Max(m, 1e-20)
		if !(d <= math.Max(tolerance, 4*floor[i])*m) {
			t.Errorf("seed %d, batch %d, %s: %s differs by %.3g of the largest", seed, batch, what, outputs[i].Name, d/m)
		}
		return d / m
	}
	o2 := g.Clone()
	if _, err := passes.Run(o2, passes.Level(2), passes.Options{}); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	// Pass drop-heads removes heads, but their values are compared too.
	if len(o2.All()) != len(outputs) {
		o2 = g.Clone()
		var p passes.Pipeline
		for _, s := range passes.Level(2) {
			if s.Pass != &passes.DropHeads {
				p = append(p, s)
			}
		}
		if _, err := passes.Run(o2, p, passes.Options{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	in := make([][]float32, len(x))
	for i := range x {
		in[i] = tensor.Round(x[i]).Data
	}
	bits := map[string][][]float32{}
	for _, w := range ways(seed) {
		net := g
		if w.level == 2 {
			net = o2
		}
		p, err := cpu.Compile(net, cpu.Options{Batch: batch, ISA: w.isa, Threads: w.threads, Direct: w.direct, Debug: seed%5 == 0})
		if err != nil {
			t.Fatalf("seed %d, %v: %v", seed, w, err)
		}
		c.programs++
		if seed%10 == 0 {
			if err := plan.Check(p.Plan()); err != nil {
				t.Errorf("seed %d, %v: %v", seed, w, err)
			}
		}
		if !w.direct && usesWinograd(p.Plan()) {
			c.winograd++
		}
		out := make([][]float32, len(outputs))
		for i, v := range outputs {
			out[i] = make([]float32, v.Type.Shape.Bind(batch).Size())
		}
		if err := p.NewSession().Run(in, out); err != nil {
			t.Fatalf("seed %d, %v: %v", seed, w, err)
		}
		tolerance, kind := winogradTolerance, 1
		if w.direct {
			tolerance, kind = directTolerance, 0
		}
		for i := range out {
			d := check(w.String(), i, out[i], tolerance)
			if floor[i] < tolerance/4 {
				c.worst[kind] = max(c.worst[kind], d)
			}
		}
		if first, ok := bits[w.family]; !ok {
			bits[w.family] = out
		} else if i := differ(first, out); i >= 0 {
			t.Errorf("seed %d, batch %d, %v: other bits of %s than its family's first", seed, batch, w, outputs[i].Name)
		}
	}
	if ort == nil || slices.ContainsFunc(g.Nodes, runtimesDisagree) {
		return
	}
	inputs := map[string]*tensor.Tensor{}
	for i, v := range g.Inputs {
		inputs[v.Name] = x[i]
	}
	got, err := onnxtest.Run(ort, onnxtest.Write(t, onnx.Backend{Heads: true}, g), inputs)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	c.onnx++
	for i, v := range outputs {
		y := got[v.Name]
		if y == nil {
			t.Errorf("seed %d: the model has no output %s", seed, v.Name)
			continue
		}
		d := check("ONNX Runtime", i, tensor.Round(y).Data, directTolerance)
		if floor[i] < directTolerance/4 {
			c.worst[2] = max(c.worst[2], d)
		}
	}
}

// beyondExecutor returns the ops that the executor computes only for weights; it refuses a
// plan in which they read activations.
func beyondExecutor(op ir.Op) bool {
	name := ir.Name(op)
	return name == "sqrt" || name == "div"
}

// runtimesDisagree reports whether ONNX Runtime computes a node differently from the standard
// or other programs. One such node is an average pool that counts its padding, if the last
// window reaches beyond the padding (the backend refuses some of these). The other is a Pad
// before a max pool: the optimizer of ONNX Runtime (1.20.1 and 1.30.0) turns it into padding
// of the pool, which is wrong where all numbers are negative, and then refuses padding that is
// not smaller than the kernel. It does so through a dropout between them, too.
func runtimesDisagree(n *ir.Node) bool {
	from := n.In[0].Def
	for from != nil && ir.Name(from.Op) == "dropout" {
		from = from.In[0].Def
	}
	padded := from != nil && ir.Name(from.Op) == "pad"
	switch op := n.Op.(type) {
	case ops.AvgPool:
		return padded || op.IncludePad && op.Ceil
	case ops.MaxPool:
		return padded
	}
	return false
}

// sensitivity returns how far each output of the reference changes, relative to its largest
// element, when the inputs change by half a unit in the last place of a float32.
func sensitivity(t *testing.T, g *ir.Graph, x []*tensor.Tensor, want map[*ir.Value]*tensor.Tensor) []float64 {
	t.Helper()
	moved := make([]*tensor.Tensor, len(x))
	for i := range x {
		moved[i] = x[i].Clone()
		for j := range moved[i].Data {
			moved[i].Data[j] *= 1 + float64(1-2*(j&1))*0x1p-24
		}
	}
	got, err := ref.Run(g, moved, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var r []float64
	for _, v := range g.All() {
		d, m := tensor.MaxDiff(got[v], want[v])
		if d > 0 {
			d /= m
		}
		r = append(r, d)
	}
	return r
}

// differ returns the first array whose bits differ, -1 if none does.
func differ(a, b [][]float32) int {
	for i := range a {
		for j := range a[i] {
			if math.Float32bits(a[i][j]) != math.Float32bits(b[i][j]) {
				return i
			}
		}
	}
	return -1
}

func usesWinograd(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return strings.HasPrefix(s.Algo, "winograd") })
}

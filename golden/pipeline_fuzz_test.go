package golden

import (
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// What FuzzPipeline takes; a larger input is skipped, with the limit as reason.
const (
	pipelineText     = 1 << 13
	pipelineNodes    = 200
	pipelineElements = 1 << 18 // of all params, and of all values of one image
	pipelineMACs     = 1 << 22
	pipelineRun      = 1 << 17 // multiply-accumulates, and others, of what is also run
)

// pipelines are the passes that FuzzPipeline runs.
var pipelines = []string{
	"O0", "O1", "O2", "O2,-drop-heads", "factorize=svd,force", "factorize=svd,max-error=0.5", "factorize=retrain,force",
	"stack-3x3,force", "stack-3x3,force,factorize=svd,mid=full,force,O2", "fold-bn,commute-avgpool,fold-linear,merge-siblings,const-fold",
}

// FuzzPipeline takes every text that loads through all that a command does with a
// graph: passes, plan, ONNX, generated Go, the training step, and a run where that
// is cheap. Errors are allowed; a panic, a graph that does not verify and generated
// Go that does not parse are not. Where words is not 0 some words of the text are
// exchanged first, so that more of the inputs can be read.
func FuzzPipeline(f *testing.F) {
	for _, s := range pipelineSeeds(f) {
		f.Add(s, uint64(0))
		f.Add(s, uint64(1))
		f.Add(s, uint64(2))
	}
	f.Fuzz(func(t *testing.T, src []byte, words uint64) {
		if len(src) > pipelineText {
			t.Skipf("%d bytes, more than %d", len(src), pipelineText)
		}
		if words != 0 {
			src = exchangeWords(src, words)
		}
		g, l := dsl.Load("x.incc", src, dsl.Options{})
		if l.HasErrors() {
			return
		}
		// Two in turn, so that many inputs are tried.
		n := (len(src) + int(words%1024)) % len(pipelines)
		wholePipeline(t, g, []string{pipelines[n], pipelines[(n+3)%len(pipelines)]})
	})
}

// TestPipelineSeeds runs every pipeline on the seeds of FuzzPipeline.
func TestPipelineSeeds(t *testing.T) {
	for i, src := range pipelineSeeds(t) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			g, l := dsl.Load("x.incc", src, dsl.Options{})
			if l.HasErrors() {
				t.Fatal(l.Err())
			}
			wholePipeline(t, g, pipelines)
		})
	}
}

// pipelineSeeds are small built-in networks, networks that show every form of the
// language, and random graphs in the flat form.
func pipelineSeeds(f testing.TB) [][]byte {
	seeds := [][]byte{
		[]byte("net a\ninput x 3x8x8 range=0..1 mean=0.5\nlabels { \"a\" \"b\" }\ndefault conv act=relu bn=1e-3 pad=same\nblock b n k=3x3 = { conv k n; conv 1x1 n }\nb 4 -> maxpool 2x2/2 -> concat { b 2; conv 5x5 4; maxpool 3x3/1 pad=same -> conv 1x1 3; avgpool 3x3/1 pad=same -> conv 1x1 2 } -> head { gap -> fc 2 -> softmax } -> residual scale=0.3 act=relu { conv 3x3 11 } -> dropout 0.4 -> lrn 5 -> gap -> fc 2 -> softmax\ntrain {\n  loss xent smoothing=0.1\n  sgd lr=0.1 momentum=0.9\n  run epochs=1 batch=2\n}\n"),
		[]byte("net a\ninput x 4x6x6\nrepeat 2 { add { conv 3x3 4 pad=1 maxout=2; identity } -> sigmoid }\nmax { conv 3x3 4 pad=1 groups=2; tanh } -> transpose 0,1,3,2 -> reshape 4x3x12 -> scale 0.5 -> flatten -> fc 8 act=relu bn=1e-5 -> fc 3 -> log_softmax\n"),
		[]byte("graph a\nx = input 4\nw = param 2x4 init=he\nb = param 2 fill=0\ny = dense x w b\nz = softmax y\noutput z\n"),
		[]byte("graph a\nx = input 3x6x6\nw = param 4x3x3x3 init=he lr=2\nb = const 4 1,2,3,4\ny = conv x w b pad=1,1,1,1\nz = relu y\nv = param 4x3x1x1 init=glorot\nq = conv x v b\ns = add z q\ng = gap s\nf = flatten g\noutput f\nhead g weight=0.3\npart a = s\n"),
	}
	for _, name := range []string{"lenet5", "nin_mnist", "mnist/inception_v1", "mnist/deep_heads"} {
		src, _, ok := specs.Source(name)
		if !ok {
			f.Fatal("no network ", name)
		}
		seeds = append(seeds, src)
	}
	for seed := range int64(12) {
		g := irtest.Random(seed, irtest.Options{Side: 8, Size: 4, Heads: seed%2 == 0, Fused: seed%3 == 0})
		for _, v := range g.Params {
			delete(g.Data, v.Name) // the text has none of them
			if v.Param.Init.Kind == "" || v.Param.Kind == ir.Constant {
				v.Param.Init = ir.Init{Kind: ir.InitConstant, A: 0.5}
			}
		}
		seeds = append(seeds, dsl.Print(g))
	}
	var small [][]byte
	for _, s := range seeds {
		g, l := dsl.Load("seed.incc", s, dsl.Options{})
		if l.HasErrors() {
			f.Fatalf("%v in the seed\n%s", l.Err(), s)
		}
		if why := tooLarge(g); why == "" && len(s) <= pipelineText {
			small = append(small, s)
		} else {
			f.Logf("the seed %s is left out: %s", g.Name, why)
		}
	}
	if len(small) < len(seeds)*3/4 {
		f.Fatalf("%d of %d seeds are too large", len(seeds)-len(small), len(seeds))
	}
	return small
}

// exchangeWords replaces some words of a text by others of it or by some that
// matter, as the number says.
func exchangeWords(src []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	lines := strings.SplitAfter(string(src), "\n")
	all := strings.FieldsFunc(string(src), func(r rune) bool { return strings.ContainsRune(" \t\n;{}=,", r) })
	all = append(all, strings.Fields("0 1 2 3 1x1 3x3 3x3/2 1x7 2x2/2 0.5 -1 1e30 inf nan relu none on off same i64 scalar N Nx4 1x1x1x1")...)
	if d := ir.Defs(); len(d) > 0 {
		for range 8 {
			all = append(all, d[r.IntN(len(d))].Name)
		}
	}
	for range 1 + r.IntN(3) {
		i := r.IntN(len(lines))
		switch r.IntN(8) {
		case 0:
			lines = append(lines[:i], lines[min(i+1, len(lines)):]...)
		case 1:
			j := r.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		default:
			w := strings.FieldsFunc(lines[i], func(r rune) bool { return strings.ContainsRune(" \t\n;{}=,", r) })
			if len(w) > 0 {
				lines[i] = strings.Replace(lines[i], w[r.IntN(len(w))], all[r.IntN(len(all))], 1)
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	return []byte(strings.Join(lines, ""))
}

// tooLarge says why a graph is skipped, "" where it is not.
func tooLarge(g *ir.Graph) string {
	if len(g.Nodes) > pipelineNodes {
		return "too many nodes"
	}
	params, values := 0, 0
	for _, v := range g.Params {
		params += v.Type.Shape.Size()
	}
	for _, v := range g.Inputs {
		values += v.Type.Shape.Size()
	}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			values += v.Type.Shape.Size()
		}
	}
	switch {
	case params > pipelineElements:
		return "too many weights"
	case values > pipelineElements:
		return "too large values"
	case work(g) > pipelineMACs:
		return "too much work"
	}
	return ""
}

func wholePipeline(t *testing.T, g *ir.Graph, ways []string) {
	if err := ir.Verify(g); err != nil {
		t.Fatalf("what Load returned: %v", err)
	}
	ir.Summarize(g)
	if why := tooLarge(g); why != "" {
		t.Skip(why)
	}
	text := dsl.Print(g)
	if h, l := dsl.Load("again.incc", text, dsl.Options{Hollow: true}); l.HasErrors() {
		t.Fatalf("the printed graph cannot be read: %v\n%s", l.Err(), text)
	} else if again := dsl.Print(h); string(again) != string(text) {
		t.Fatalf("printed, read and printed again it is another graph:\n%s\n%s", text, again)
	}
	ir.Materialize(g, 1)
	ends(t, g)
	for _, text := range ways {
		p, err := passes.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []passes.Options{{}, {Cost: passes.Work{Copies: true}, KeepHeads: true}} {
			h := g.Clone()
			if _, err := passes.Run(h, p, o); errors.Is(err, ir.ErrGraph) {
				t.Fatalf("%s: %v", text, err)
			} else if err == nil {
				ends(t, h)
			}
		}
	}
	trains(t, g)
}

// ends makes of a graph what commands make of it.
func ends(t *testing.T, g *ir.Graph) {
	for _, b := range []onnx.Backend{{}, {External: true, Heads: true, Dropout: true, Batch: 2, Opset: onnx.MaxOpset}} {
		if files, err := b.Emit(g); err == nil {
			for _, f := range files {
				if _, err := f.WriteTo(io.Discard); err != nil {
					t.Fatalf("writing %s: %v", f.Path, err)
				}
			}
		}
	}
	p, err := cpu.Plan(g, cpu.Options{Batch: 2})
	if err == nil {
		generates(t, g, p, goOptions(g))
	}
	if err == nil && work(g) <= pipelineRun {
		runs(t, g)
	}
}

func goOptions(g *ir.Graph) gosrc.Options {
	return gosrc.Options{Version: "0", Command: "x.incc", Package: gosrc.PackageName(g.Name), ImportPath: "example.com/m/net", Runtime: "example.com/m/net/internal/kernel",
		Source: "x.incc", Embed: true, Weights: "weights.safetensors"}
}

func generates(t *testing.T, g *ir.Graph, p *plan.Plan, o gosrc.Options) {
	if _, err := gosrc.Generate(g, p, o); err != nil && strings.Contains(err.Error(), "a bug of incc") {
		t.Fatal(err)
	}
}

// work is the arithmetic of one image.
func work(g *ir.Graph) (n int64) {
	for _, l := range ir.Summarize(g).Layers {
		n += l.Cost.MACs + l.Cost.Ops
	}
	return n
}

func runs(t *testing.T, g *ir.Graph) {
	p, err := cpu.Compile(g, cpu.Options{Batch: 1, Threads: 1, ISA: kernel.Portable.String()})
	if err != nil {
		return
	}
	x := irtest.Inputs(g, 1, 1)
	in := make([][]float32, len(x))
	for i := range x {
		for _, v := range x[i].Data {
			in[i] = append(in[i], float32(v))
		}
	}
	var out [][]float32
	for _, e := range p.Plan().Outputs {
		out = append(out, make([]float32, e.Size))
	}
	if err := p.NewSession().Run(in, out); err != nil {
		t.Logf("run: %v", err)
	}
	if _, err := ref.Run(g, x, ref.Options{}); err != nil {
		t.Logf("reference: %v", err)
	}
}

// trains plans a step of training, and prints the package that does it.
func trains(t *testing.T, g *ir.Graph) {
	r := g.Recipe.Train
	if r == nil {
		r = &recipe.Train{Optimizer: recipe.Optimizer{Kind: "sgd", LR: 0.1, Momentum: 0.9}}
		r.Run.Batch = 2
	}
	rec := *r
	tr, err := autodiff.Train(g, autodiff.FromRecipe(&rec))
	if err != nil {
		if errors.Is(err, ir.ErrGraph) {
			t.Fatal(err)
		}
		return
	}
	batch := min(max(rec.Run.Batch, 1), 2)
	h, err := cpu.Prepared(tr.Graph, 1)
	if err != nil {
		return
	}
	tp, err := cpu.Plan(h, cpu.Options{Batch: batch})
	if err != nil {
		return
	}
	p, err := cpu.Plan(g, cpu.Options{Batch: 1})
	if err != nil {
		return
	}
	o := goOptions(g)
	o.Train = &gosrc.Training{Graph: h, Plan: tp, Labels: tr.Labels, Step: tr.Step, Rate: tr.Rate, Loss: tr.Loss, Logits: tr.Logits, Norm: tr.Norm,
		Heads: len(tr.Losses) > 1, Slots: tr.Slots, Averages: tr.Averages, Recipe: rec}
	generates(t, g, p, o)
}

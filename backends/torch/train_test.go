package torch

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs/spectest"
)

// writePackage writes the package of a network with its weights.
func writePackage(t *testing.T, g *ir.Graph, r *recipe.Train) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "package")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	files, err := Package(g, Options{Command: "incc gen torch test", Train: r})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Path), f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
		if !IsGenerated(f.Data) && f.Path != "requirements.txt" {
			t.Errorf("%s does not say that it is generated", f.Path)
		}
	}
	if g.Data[g.Params[0].Name] != nil {
		writeValues(t, filepath.Join(dir, WeightsFile), weights(g))
	}
	return dir
}

// trainings are networks and recipes: each optimizer, schedule, penalty and bound, batch
// normalization, local response normalization, maxout, heads and a residual.
var trainings = []struct{ name, text string }{
	{"sgd, step, LRN, decay, polyak", `net a
input image 3x12x12
conv 3x3 8 act=relu bias=0.1 -> lrn 5 -> conv 3x3/2 12 act=relu -> gap -> fc 5 -> softmax
train { sgd lr=0.1 momentum=0.9 decay=0.01; schedule step every=1 factor=0.5; average polyak; run batch=6 epochs=4 }
`},
	{"nesterov, exp, batch norm, ema, warm-up", `net a
input image 3x12x12
default conv bn=1e-3 act=relu
c1: conv 3x3 8 -> conv 3x3/2 12
c2: gap -> fc 5 -> softmax
train { nesterov lr=0.1 momentum=0.9 decay=0.001; schedule exp every=2 factor=0.9 warmup=1; average ema decay=0.7; run batch=6 epochs=4 }
`},
	{"adam, cosine, smoothing, heads", `net a
input image 3x12x12
default pad=same
default conv act=relu
3a: inception 4 4 8 4 4 4 -> head weight=0.3 { gap -> fc 5 -> softmax }
3b: inception 4 4 8 4 4 4
top: gap -> fc 5 -> softmax
train { loss xent smoothing=0.1; adam lr=0.02 decay=0.01; schedule cosine; clip norm=0.5; run batch=6 epochs=4 }
`},
	{"adamw, poly, residual, class weights", `net a
input image 3x12x12
stem: conv 3x3 8 act=relu
r: residual scale=0.5 act=relu { conv 1x1 4 act=relu -> conv 3x3 8 pad=same }
top: gap -> fc 5 -> softmax
train { loss xent weights=1,2,3,0.5,1; adamw lr=0.02 decay=0.1; schedule poly power=2; clip value=0.01; run batch=6 epochs=4 }
`},
	{"rmsprop, constant, maxout, max norm", `net a
input image 3x12x12
default conv max_norm=0.5
conv 3x3 8 maxout=2 -> maxpool 2x2/2 -> dropout 0.5 -> fc 5 -> softmax
train { rmsprop lr=0.02 rho=0.9 eps=1 momentum=0.9 decay=0.01; regularize max_norm=0.7; run batch=6 epochs=4 }
`},
	{"rmsprop_torch, plateau, focal, l1 and l2", `net a
input image 1x8x8
conv 3x3 8 act=tanh -> flatten -> fc 5 -> softmax
train { loss focal gamma=2; rmsprop_torch lr=0.01 rho=0.9 eps=1e-3 momentum=0.5; schedule plateau every=2 factor=0.5 floor=0.001; regularize l1=0.01 l2=0.02; run batch=6 epochs=4 }
`},
	{"frozen parts and rates", `net a
input image 3x12x12
default conv bn=1e-3 act=relu
c1: conv 3x3 8
c2: conv 3x3/2 12
top: gap -> fc 5 -> softmax
train { sgd lr=0.1 momentum=0.5; freeze c1; rate c2 by=0.1; run batch=6 epochs=4 }
`},
	{"mixed pictures, floor, bias with its own rate", `net a
input image 3x12x12
conv 3x3 8 act=relu -> conv 3x3/2 12 act=relu lr=2 decay=0.5 -> gap -> fc 5 -> softmax
train { loss xent smoothing=0.05; adam lr=0.01; schedule step at=1,2 factor=0.1 floor=0.005; augment mixup=0.2; run batch=6 epochs=4 }
`},
}

const trainSteps, stepsPerEpoch = 5, 2

// steps takes steps with incc's executor and writes what PyTorch needs for the same.
func steps(t *testing.T, text string) (dir string, want values) {
	t.Helper()
	g := spectest.Build(t, "a.incc", text)
	r := *g.Recipe.Train
	r.Run.Seed = 1
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.Dropout); ok {
			n.Op = ops.Dropout{}
		}
	}
	ir.Materialize(g, 3)
	dir = writePackage(t, g, &r)
	e, err := train.NewCPU(g, autodiff.FromRecipe(&r), r.Run.Batch, 3, cpu.Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	shape := append([]int{trainSteps}, g.Inputs[0].Type.Shape.Bind(r.Run.Batch)...)
	size := tensor.Size(shape) / trainSteps
	images, labels := tensor.Of(make([]float32, size*trainSteps), shape...), tensor.Of(make([]float32, trainSteps*r.Run.Batch), trainSteps, r.Run.Batch)
	shares := tensor.Of(make([]float32, trainSteps), trainSteps)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range images.Data {
		images.Data[i] = float32(rnd.NormFloat64())
	}
	want = values{"losses": tensor.Of(make([]float32, trainSteps), trainSteps), "rates": tensor.Of(make([]float32, trainSteps), trainSteps)}
	sched := train.ScheduleOf(&r, r.Run.Epochs)
	mixes := recipe.MixingOf(r.Augment).On()
	for s := range trainSteps {
		own, other := make([]int32, r.Run.Batch), make([]int32, r.Run.Batch)
		for i := range own {
			own[i] = int32(rnd.IntN(5))
			labels.Data[s*r.Run.Batch+i] = float32(own[i])
			other[len(own)-1-i] = own[i]
		}
		if shares.Data[s] = 1; mixes {
			shares.Data[s] = 0.75
		}
		rate := float32(sched.Rate(float64(s)/stepsPerEpoch, 0))
		st, err := e.StepMixed(images.Data[s*size:(s+1)*size], own, other, shares.Data[s], rate, int64(s))
		if err != nil || !st.Finite() {
			t.Fatal(st, err)
		}
		want["losses"].Data[s], want["rates"].Data[s] = float32(st.Loss), rate
	}
	for _, p := range e.Params() {
		if p.Slot && p.Average == "" {
			continue
		}
		x := make([]float32, tensor.Size(p.Shape))
		if err := e.Get(p.Name, x); err != nil {
			t.Fatal(err)
		}
		want[p.Name] = tensor.Of(x, p.Shape...)
	}
	given := values{"images": images, "labels": labels, "steps_per_epoch": tensor.Of([]float32{stepsPerEpoch}, 1)}
	if mixes {
		given["shares"] = shares
	}
	writeValues(t, filepath.Join(dir, "input.safetensors"), given)
	return dir, want
}

// TestSteps compares five steps of each recipe with those of incc train: losses, learning
// rates, weights, running statistics and averages.
func TestSteps(t *testing.T) {
	py := python(t)
	args := []string{filepath.Join("testdata", "steps.py")}
	var wants []values
	for _, x := range trainings {
		dir, want := steps(t, x.text)
		args, wants = append(args, dir), append(wants, want)
	}
	runPython(t, py, args...)
	for i, x := range trainings {
		got := readValues(t, filepath.Join(args[1+i], "output.safetensors"))
		worst, where := 0.0, ""
		for name, w := range wants[i] {
			g := got[name]
			if g == nil {
				t.Errorf("%s: PyTorch has no %s", x.name, name)
				continue
			}
			if d := distance(g.Data, w.Data); d > worst || math.IsNaN(d) {
				worst, where = d, name
			}
		}
		t.Logf("%s: the largest difference is %.2g, of %s", x.name, worst, where)
		if !(worst <= 1e-3) {
			t.Errorf("%s: %s differs by %.2g of its largest number", x.name, where, worst)
		}
	}
}

// runPython runs a program. It skips the test where a package that it imports is missing.
func runPython(t *testing.T, py string, args ...string) string {
	t.Helper()
	cmd := exec.Command(py, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "OMP_NUM_THREADS=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "ModuleNotFoundError") {
		t.Skipf("a package of Python is missing: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestOrders: data.py draws the order of the images and the images for validation as incc
// does.
func TestOrders(t *testing.T) {
	py := python(t)
	g := spectest.Load(t, "lenet5")
	ir.Materialize(g, 1)
	type asked struct {
		Labels  []int32 `json:"labels"`
		Classes int     `json:"classes"`
		N       int     `json:"n"`
		Seed    int64   `json:"seed"`
		Epoch   int     `json:"epoch"`
	}
	args := []string{filepath.Join("testdata", "steps.py")}
	var cases []asked
	rnd := rand.New(rand.NewPCG(5, 6))
	for i, n := range []int{13, 60, 517} {
		a := asked{Classes: 7, N: n / 5, Seed: int64(i)<<33 + 5, Epoch: 2 * i}
		for range n {
			a.Labels = append(a.Labels, int32(rnd.IntN(7)*rnd.IntN(2)))
		}
		dir := writePackage(t, g, g.Recipe.Train)
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "orders.json"), b, 0o666); err != nil {
			t.Fatal(err)
		}
		args, cases = append(args, dir), append(cases, a)
	}
	runPython(t, py, args...)
	for i, a := range cases {
		b, err := os.ReadFile(filepath.Join(args[1+i], "result.json"))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Order, Drawn, Rest []int32
			Balance            []float64
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		set := &data.Set{C: 1, H: 1, W: 1, Classes: a.Classes, Labels: a.Labels, Pixels: make([]uint8, len(a.Labels))}
		rest, drawn := set.Stratify(a.N, a.Seed)
		// One class has no images.
		if w := train.BalancedWeights(rest, a.Classes+1); !slices.Equal(got.Balance, w) {
			t.Errorf("%d images: the weights that balance classes are %v, want %v", len(a.Labels), got.Balance, w)
		}
		for _, x := range []struct {
			what      string
			got, want []int32
		}{{"the order", got.Order, data.Order(len(a.Labels), a.Seed, a.Epoch)}, {"the images drawn", got.Drawn, drawn.Places}, {"the others", got.Rest, rest.Places}} {
			if !slices.Equal(x.got, x.want) {
				t.Errorf("%d images: %s differ: %v, want %v", len(a.Labels), x.what, x.got, x.want)
			}
		}
	}
}

func TestPackageRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"net a\ninput image 2x8x8\nfc 3 -> softmax\n", "--train: a does not take pictures"},
		{"net a\ninput image 1x8x8\nconv 3x3 2\n", "cross-entropy needs one number for each class"},
	} {
		g := spectest.Build(t, "a.incc", c.text)
		r := recipe.Train{Optimizer: recipe.Optimizer{Kind: "sgd", LR: 0.1}, Run: recipe.Run{Batch: 4, Epochs: 1}}
		if _, err := Package(g, Options{Command: "incc", Train: &r}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestTypes: mypy --strict and ruff find nothing in a package.
func TestTypes(t *testing.T) {
	if !longtest.Enabled() {
		t.Skip("mypy reads all of PyTorch: INCC_LONG=1 runs this")
	}
	mypy, ruff := tool(t, "mypy"), tool(t, "ruff")
	for _, name := range []string{"mnist/deep_heads", "densenet121"} {
		g := spectest.Load(t, name)
		r := *g.Recipe.Train
		dir := writePackage(t, g, &r)
		for _, args := range [][]string{{mypy, "--strict", "--cache-dir", filepath.Join(os.TempDir(), fmt.Sprintf("incc-mypy-%d", os.Getuid())), "."}, {ruff, "check", "--no-cache", "."}, {ruff, "format", "--check", "--no-cache", "."}} {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, args[0], err, out)
			}
		}
	}
}

// TestJob: the fields of job.yaml are those of the PyTorch operator and of Kubernetes, as
// their packages for Python have them, and torchrun takes its arguments.
func TestJob(t *testing.T) {
	py := python(t)
	args := []string{filepath.Join("testdata", "job.py")}
	for _, name := range []string{"lenet5", "mnist/deep_heads"} {
		g := spectest.Load(t, name)
		ir.Materialize(g, 1)
		args = append(args, writePackage(t, g, g.Recipe.Train))
	}
	out := runPython(t, py, args...)
	if strings.Count(out, "checked") != len(args)-1 {
		t.Error(out)
	}
}

package gosrc

// The templates of the files. What is printed between braces is a number, a Go
// expression, or a text that has gone through quote or comment.

const modelText = `{{.Header}}

{{range .Doc}}// {{.}}
{{end}}package {{.Package}}

import (
	{{if .Embed}}_ "embed"
	{{end}}"errors"
	"fmt"
	{{if .Picture}}"image"
	{{end}}"os"
	"runtime"

	"{{.Runtime}}"
)

// What the network takes and gives.
const (
	{{if .C}}Channels, Height, Width = {{.C}}, {{.H}}, {{.W}} // of an image: planes of rows, channel by channel (CHW)
	ImageLen = Channels * Height * Width // float32s of an image
	{{else}}ImageLen = {{.Input}} // float32s of an input: {{.InputShape}}
	{{end}}{{if .Classes}}Classes = {{.Output}} // float32s of a result
	{{else}}OutputLen = {{.Output}} // float32s of a result: {{.OutputShape}}
	{{end}}Batch = {{.Plan.Batch}} // images that are computed at once
)

var (
	// ErrLength is wrapped by errors that tell of slices of a wrong length.
	ErrLength = errors.New("{{.Package}}: wrong length")
	// ErrWeights is wrapped by errors that tell of weights that do not fit the network.
	ErrWeights = errors.New("{{.Package}}: weights do not fit")
	{{if .Picture}}// ErrPicture is wrapped by errors that tell of pictures without pixels.
	ErrPicture = errors.New("{{.Package}}: no pixels")
{{end}})

// Model holds the weights, in the order in which the kernels read them. It does
// not change and is safe for concurrent use.
type Model struct {
	isa     kernel.ISA
	pool    *kernel.Pool
	weights *kernel.Arena
	tables  [len(steps)][]int // offsets that some kernels walk through
	scratch int               // float32s of memory for each thread
	idle    chan *Session     // sessions of the model's own
	more    chan struct{}     // one for each of them that may still be made
}

{{if .Embed}}//go:embed {{.Weights}}
var embedded []byte

// New makes a model of the weights that are part of the program.
func New() (*Model, error) {
	file, err := kernel.ParseTensors(embedded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeights, err)
	}
	return newModel(file)
}

{{end}}// Load makes a model of the weights in a safetensors file, which has all those of
// the spec under their names and with their shapes, as {{quote .Weights}} does.
// What else is in it does not matter.
func Load(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := kernel.OpenTensors(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrWeights, path, err)
	}
	m, err := newModel(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func newModel(file *kernel.Tensors) (*Model, error) {
	isa, err := kernel.Best()
	if err != nil {
		return nil, err
	}
	m := &Model{isa: isa, weights: kernel.NewArena({{.Plan.Packed}})}
	if err := m.pack(file); err != nil {
		return nil, err
	}
	m.pool = kernel.DefaultPool()
	for i, k := range steps {
		if t, ok := k.(kernel.Tabler); ok {
			m.tables[i] = t.Table(isa)
		}
		if s, ok := k.(kernel.Scratcher); ok {
			m.scratch = max(m.scratch, s.Scratch())
		}
	}
	n := runtime.GOMAXPROCS(0)
	m.idle, m.more = make(chan *Session, n), make(chan struct{}, n)
	for range n {
		m.more <- struct{}{}
	}
	return m, nil
}

// ISA names the instruction set that the kernels use: avx512, avx2 or portable,
// the best that the machine has, or what the environment's INCC_ISA says.
func (m *Model) ISA() string { return m.isa.String() }

// Session is the memory of one inference at a time: {{.ArenaText}}. Sessions of a
// model may be used at the same time, one session may not. Their results do not
// depend on the number of threads, which is GOMAXPROCS.
type Session struct {
	model *Model
	team  *kernel.Team
	arena *kernel.Arena
	args  [len(steps)]kernel.Args
	{{template "jobs" .Infer}}{{if .Classes}}scores [Classes]float32
	{{end}}body func(w *kernel.Worker) // run, made once
}

// NewSession takes all memory that inference needs; it allocates nothing after that.
func (m *Model) NewSession() *Session {
	s := &Session{model: m, team: m.pool.NewTeam(m.isa, m.scratch), arena: kernel.NewArena({{.Plan.Arena}})}
	s.bind()
	s.body = s.run
	return s
}

{{wrap .InferDoc}}//
// Slices of other lengths are an error that wraps ErrLength. dst and image must
// not overlap.
func (s *Session) Infer(dst, image []float32) error {
	if len(dst) != {{.OutLen}} || len(image) != ImageLen {
		return fmt.Errorf("%w: Infer wants a dst of %d and an image of %d float32s, not %d and %d", ErrLength, {{.OutLen}}, ImageLen, len(dst), len(image))
	}
	s.infer(dst, image, 1)
	return nil
}

// InferBatch computes the results of any number of images, which lie one behind
// another as in Infer, and so do the results; up to Batch are computed at once.
func (s *Session) InferBatch(dst, images []float32) error {
	n := len(images) / ImageLen
	if len(images) != n*ImageLen || len(dst) != n*{{.OutLen}} {
		return fmt.Errorf("%w: InferBatch wants %d float32s an image and %d a result, not %d and %d in all", ErrLength, ImageLen, {{.OutLen}}, len(images), len(dst))
	}
	for i := 0; i < n; i += Batch {
		end := min(i+Batch, n)
		s.infer(dst[i*{{.OutLen}}:end*{{.OutLen}}], images[i*ImageLen:end*ImageLen], end-i)
	}
	return nil
}

// Infer is Session.Infer on a session of the model's own, which has GOMAXPROCS of
// them at most: it waits for one. It is safe for concurrent use.
func (m *Model) Infer(dst, image []float32) error {
	s := m.session()
	defer m.done(s)
	return s.Infer(dst, image)
}

// session returns one that is idle, or a new one while there may be more.
func (m *Model) session() *Session {
	select {
	case s := <-m.idle:
		return s
	default:
	}
	select {
	case s := <-m.idle:
		return s
	case <-m.more:
		return m.NewSession()
	}
}

func (m *Model) done(s *Session) { m.idle <- s }
{{if .Classes}}
// Prediction is a class and its {{.Score}}.
type Prediction struct {
	Class int     {{tag "class"}} // 0..Classes-1
	Label string  {{tag "label,omitempty"}} // {{if .Labels}}its name{{else}}empty: the spec names no classes{{end}}
	Score float32 {{tag "score"}} // {{.Score}}
}
{{if .Labels}}
// labels names the classes{{if .LabelSet}}: {{.LabelSet}}{{end}}.
var labels = [Classes]string{
	{{range .Labels}}{{quote .}},
	{{end}}
}
{{end}}
// Classify returns the k classes that the network holds most likely for an image
// as Infer takes it, the best first; of equal ones the lower first.
func (s *Session) Classify(image []float32, k int) ([]Prediction, error) {
	if err := s.Infer(s.scores[:], image); err != nil {
		return nil, err
	}
	index := make([]int, max(0, min(k, Classes)))
	top := make([]Prediction, kernel.TopK(index, s.scores[:]))
	for i := range top {
		c := index[i]
		top[i] = Prediction{Class: c, {{if .Labels}}Label: labels[c], {{end}}Score: s.scores[c]}
	}
	return top, nil
}

// Classify is Session.Classify on a session of the model's own. It is safe for
// concurrent use.
func (m *Model) Classify(image []float32, k int) ([]Prediction, error) {
	s := m.session()
	defer m.done(s)
	return s.Classify(image, k)
}
{{end}}{{with .Picture}}
// input says how the spec has pictures prepared.
var input = picture{c: Channels, h: Height, w: Width, resize: {{.Resize}}, lo: {{float .Lo}}, hi: {{float .Hi}}, mean: {{.Means}}, std: {{.Stds}}, bgr: {{eq .Order "bgr"}}}

{{wrap .Doc}}func Preprocess(dst []float32, img image.Image) error {
	if len(dst) != ImageLen {
		return fmt.Errorf("%w: Preprocess wants a dst of %d float32s, not %d", ErrLength, ImageLen, len(dst))
	}
	if img == nil || img.Bounds().Empty() {
		return ErrPicture
	}
	input.prepare(dst, img)
	return nil
}

// ClassifyImage is Preprocess and Classify.
func (s *Session) ClassifyImage(img image.Image, k int) ([]Prediction, error) {
	x := make([]float32, ImageLen)
	if err := Preprocess(x, img); err != nil {
		return nil, err
	}
	return s.Classify(x, k)
}

// ClassifyImage is Session.ClassifyImage on a session of the model's own. It is
// safe for concurrent use.
func (m *Model) ClassifyImage(img image.Image, k int) ([]Prediction, error) {
	s := m.session()
	defer m.done(s)
	return s.ClassifyImage(img, k)
}
{{end}}`

// programText is what a session and a trainer have in common.
const programText = `{{define "steps"}}var {{.Var}} = [...]kernel.Kernel{
{{range .Steps}}{{if .SectionDoc}}
	// {{.SectionDoc}}.
{{end}}
	// {{.Name}}
	{{.Index}}: {{.Kernel}},
{{end}}}
{{end}}

{{define "jobs"}}{{range .Joined}}jobs{{.Index}} [{{len .Jobs}}]kernel.Job // steps {{(index .Jobs 0).Step}} to {{(lastJob .).Step}}
	{{end}}{{end}}

{{define "sections"}}{{$p := .}}{{range .Sections}}
{{range .Says}}// {{.}}
{{end}}func ({{$p.Recv}} *{{$p.Type}}) {{.Func}}(w *kernel.Worker) {
{{range .Runs}}{{if ge .Joined 0}}	// Side by side:{{range .Beside}}
	//   - {{.}}{{end}}
	w.DoAll({{$p.Recv}}.jobs{{.Joined}}[:])
{{else}}	w.Do({{$p.Var}}[{{.Step}}], &{{$p.Recv}}.args[{{.Step}}]) // {{.Says}}
{{end}}{{end}}}
{{end}}{{end}}

{{define "bind"}}{{$p := .}}{{range .Steps}}	{{$p.Recv}}.args[{{.Index}}] = kernel.Args{ {{.Bind}} }
{{end}}{{range .Joined}}	{{$p.Recv}}.jobs{{.Index}} = [...]kernel.Job{
{{range .Jobs}}		{Do: {{$p.Var}}[{{.Step}}], Args: &{{$p.Recv}}.args[{{.Step}}], Weight: {{.Weight}}},
{{end}}	}
{{end}}{{end}}`

const planText = `{{.Header}}

package {{.Package}}

import "{{.Runtime}}"

// steps are the kernels in the order in which they run. Everything that could be
// decided beforehand is: algorithms, how work is cut into tasks, where in memory
// things lie. Which instructions a kernel uses, the machine decides.
{{template "steps" .Infer}}
// run is what every thread does: it computes its share of each step and waits for
// the others before the next.
func (s *Session) run(w *kernel.Worker) {
{{range .Infer.Sections}}	s.{{.Func}}(w)
{{end}}}
{{template "sections" .Infer}}
// infer computes n images, at most Batch.
func (s *Session) infer(dst, images []float32, n int) {
	for i := range s.args {
		s.args[i].Images = n
	}
	{{range .Infer.Edges.In}}{{.}}.Mem = images
	{{end}}{{range .Infer.Edges.Out}}{{.}}.Mem = dst
	{{end}}s.team.{{if .Plan.Solo}}RunAlone{{else}}Run{{end}}(s.body)
	{{range .Infer.Edges.In}}{{.}}.Mem = nil
	{{end}}{{range .Infer.Edges.Out}}{{.}}.Mem = nil
	{{end}}
}

// bind tells every step where its operands lie.
func (s *Session) bind() {
	m := s.model
	at := func(off int) kernel.Buf { return kernel.Buf{Mem: s.arena.Mem, Off: off} }
	{{if .Plan.Weights}}w := func(at, n int) []float32 { return m.weights.Mem[at : at+n : at+n] }
	{{end}}_ = at
{{template "bind" .Infer}}}
`

const weightsText = `{{.Header}}

package {{.Package}}

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"{{.Runtime}}"
)

// tensors are what a file of weights must hold.
var tensors = [...]struct {
	name  string
	shape []int
}{
{{range .Folding.Tensors}}	{ {{.Name}}, {{.Shape}} },
{{end}}}

// packing is an array that a step reads, in the order of the step's kernel.
type packing struct {
	at, n int    // where it lies among the model's weights, in float32s
	step  int    // whose kernel packs it
	how   string // see kernel.PackInto
	arg   float64
	from  func(w *weights) []kernel.Stream
}

var packings = [...]packing{
{{range .Folding.Packings}}	{at: {{.At}}, n: {{.Len}}, step: {{.Step}}, how: {{.How}}{{if .Arg}}, arg: {{.Arg}}{{end}}{{if .From}}, from: {{.From}}{{end}}},
{{end}}}
{{range .Folding.Folds}}
// {{.Func}} is {{.Says}}.
func {{.Func}}(w *weights) kernel.Stream {
	{{.Body}}
}
{{end}}
// weights is a file of them under way; it remembers the first error.
type weights struct {
	file *kernel.Tensors
	mu   sync.Mutex
	err  error
}

// pack fills the model's weights from a file, on all threads and piece by piece: the
// file's weights are not in memory as a whole beside the packed ones.
func (m *Model) pack(file *kernel.Tensors) error {
	w := &weights{file: file}
	if err := w.check(); err != nil {
		return err
	}
	list := make([]kernel.Packing, len(packings))
	for i, p := range packings {
		list[i] = kernel.Packing{Dst: m.weights.Mem[p.at : p.at+p.n], How: p.how, Arg: p.arg, By: steps[p.step]}
		if p.from != nil {
			list[i].From = func() ([]kernel.Stream, error) { return p.from(w), nil }
		}
	}
	err := kernel.PackAll(list)
	if w.err != nil {
		err = w.err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWeights, err)
	}
	return nil
}

// check compares names and shapes with those of the network and tells all that is
// wrong, up to a limit.
func (w *weights) check() error {
	var bad []string
	for _, t := range tensors {
		info, ok := w.file.Info(t.name)
		switch {
		case !ok:
			bad = append(bad, fmt.Sprintf("%q is not in the file", t.name))
		case !slices.Equal(info.Shape, t.shape):
			bad = append(bad, fmt.Sprintf("%q is %v in the file, %v in the network", t.name, info.Shape, t.shape))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	const most = 20
	more := ""
	if len(bad) > most {
		more = fmt.Sprintf(" and %d more", len(bad)-most)
		bad = bad[:most]
	}
	return fmt.Errorf("%w: %s%s", ErrWeights, strings.Join(bad, ", "), more)
}

// get returns a tensor of the file, which is read when it is packed.
func (w *weights) get(name string) kernel.Stream {
	s, err := w.file.Stream(name)
	w.fail(err)
	return s
}
{{if .Folding.Reads}}
// fold reads a tensor of the file to compute with it.
func (w *weights) fold(name string, shape ...int) kernel.Fold {
	x, err := w.file.Float32s(name)
	if err != nil {
		w.fail(err)
		info, _ := w.file.Info(name)
		x = make([]float32, info.Elements())
	}
	return kernel.FoldOf(x, shape...)
}
{{end}}
func (w *weights) fail(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}
`

const goldenText = `{{.Header}}

package {{.Package}}

import (
	{{if .Trainer}}"bytes"
	"errors"
	{{end}}"math"
	"os"
	{{if .Trainer}}"path/filepath"
	{{end}}"testing"

	"{{.Runtime}}"
)

// testModel is a model of the weights that the golden numbers were computed with.
func testModel(t testing.TB) *Model {
	t.Helper()
	{{if .Embed}}m, err := New(){{else}}m, err := Load({{quote .Weights}}){{end}}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden reads numbers that the portable kernels computed of noise.
func golden(t testing.TB, name string, n int) []float32 {
	t.Helper()
	b, err := os.ReadFile("testdata/golden_incc.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	file, err := kernel.ParseTensors(b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := file.Float32s(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(x) != n {
		t.Fatalf("%d golden numbers, want %d", len(x), n)
	}
	return x
}

// TestGolden runs every instruction set that the machine has. The portable
// kernels give the golden bits everywhere; the others round otherwise, and agree
// with one another to the bit.
func TestGolden(t *testing.T) {
	want := golden(t, "output", {{.OutLen}})
	image := Noise(ImageLen)
	var fast []float32
	for _, isa := range kernel.Available() {
		t.Setenv("INCC_ISA", isa.String())
		m := testModel(t)
		got := make([]float32, {{.OutLen}})
		if err := m.NewSession().Infer(got, image); err != nil {
			t.Fatal(err)
		}
		largest, off := 0.0, 0.0
		for i := range want {
			largest = max(largest, math.Abs(float64(want[i])))
			off = max(off, math.Abs(float64(got[i])-float64(want[i])))
			if isa == kernel.Portable && math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("portable: output %d is %v, want %v", i, got[i], want[i])
			}
			if fast != nil && math.Float32bits(got[i]) != math.Float32bits(fast[i]) {
				t.Fatalf("%v: output %d is %v, other instructions gave %v", isa, i, got[i], fast[i])
			}
		}
		if !(off <= 1e-3*max(largest, 1e-30)) {
			t.Errorf("%v: off by %g, the largest output is %g", isa, off, largest)
		}
		if isa != kernel.Portable {
			fast = got
		}
	}
}

// TestLengths: slices of a wrong length are errors.
func TestLengths(t *testing.T) {
	s := testModel(t).NewSession()
	for _, n := range [][2]int{ {0, 0}, { {{.OutLen}}, ImageLen - 1}, { {{.OutLen}} + 1, ImageLen}, { {{.OutLen}}, 2 * ImageLen} } {
		if s.Infer(make([]float32, n[0]), make([]float32, n[1])) == nil {
			t.Errorf("Infer takes %d and %d float32s", n[0], n[1])
		}
		if n[1] > 0 && s.InferBatch(make([]float32, n[0]), make([]float32, n[1])) == nil {
			t.Errorf("InferBatch takes %d and %d float32s", n[0], n[1])
		}
	}
}

// TestAllocations: inference allocates nothing.
func TestAllocations(t *testing.T) {
	s := testModel(t).NewSession()
	dst, image := make([]float32, {{.OutLen}}), Noise(ImageLen)
	if n := testing.AllocsPerRun(2, func() {
		if err := s.Infer(dst, image); err != nil {
			t.Error(err)
		}
	}); n >= 1 {
		t.Errorf("%v allocations an inference", n)
	}
}

// TestSessions: sessions side by side, images one by one and in a batch, all give
// the same bits.
func TestSessions(t *testing.T) {
	const n = Batch + 1
	m := testModel(t)
	images := Noise(n * ImageLen)
	batch, single := make([]float32, n*{{.OutLen}}), make([]float32, n*{{.OutLen}})
	if err := m.NewSession().InferBatch(batch, images); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for i := range n {
		go func() {
			done <- m.Infer(single[i*{{.OutLen}}:(i+1)*{{.OutLen}}], images[i*ImageLen:(i+1)*ImageLen])
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for i := range batch {
		if math.Float32bits(batch[i]) != math.Float32bits(single[i]) {
			t.Fatalf("output %d is %v in a batch, %v alone", i, batch[i], single[i])
		}
	}
}

{{with .Trainer}}// testTrainer begins a run whose epochs have one step.
func testTrainer(t testing.TB) *Trainer {
	t.Helper()
	{{if $.Embed}}tr, err := NewTrainer(TrainBatch){{else}}tr, err := LoadTrainer({{quote $.Weights}}, TrainBatch){{end}}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// testStep takes a step on noise, and returns its loss.
func testStep(t testing.TB, tr *Trainer) float32 {
	t.Helper()
	images, labels := Noise((tr.Steps()+1)*{{.Images}}*ImageLen)[tr.Steps()*{{.Images}}*ImageLen:], make([]int, {{.Images}})
	for i := range labels {
		labels[i] = (tr.Steps()*len(labels) + i) * 7 % Classes
	}
	loss, err := tr.Step(images, labels)
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

// TestTrain takes some steps on every instruction set that the machine has. The
// losses of the portable kernels are golden bits everywhere; the others agree with
// one another in loss and weights. A run that goes on from a checkpoint ends
// with the same weights.
func TestTrain(t *testing.T) {
	losses := golden(t, "losses", {{len .Golden}})
	path := func(name string) string { return filepath.Join(t.TempDir(), name) }
	var fast []byte
	for _, isa := range kernel.Available() {
		t.Setenv("INCC_ISA", isa.String())
		tr := testTrainer(t)
		for i, want := range losses {
			got := testStep(t, tr)
			if isa == kernel.Portable && math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("portable: loss %v at step %d, want %v", got, i, want)
			}
			if !(math.Abs(float64(got)-float64(want)) <= 1e-2*math.Abs(float64(want))) {
				t.Errorf("%v: loss %v at step %d, want %v", isa, got, i, want)
			}
			if i == 0 {
				saved := path("checkpoint")
				if err := tr.Checkpoint(saved); err != nil {
					t.Fatal(err)
				}
				tr = testTrainer(t)
				testStep(t, tr)
				testStep(t, tr)
				if err := tr.Resume(saved); err != nil {
					t.Fatal(err)
				}
			}
		}
		saved := path("weights")
		if err := tr.Save(saved); err != nil {
			t.Fatal(err)
		}
		weights, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		if isa != kernel.Portable {
			if fast != nil && !bytes.Equal(weights, fast) {
				t.Errorf("%v: other weights than those of other instructions", isa)
			}
			fast = weights
		}
		// The model of the trainer is that of the file.
		m, err := tr.Model()
		if err != nil {
			t.Fatal(err)
		}
		n, err := Load(saved)
		if err != nil {
			t.Fatal(err)
		}
		a, b := make([]float32, Classes), make([]float32, Classes)
		if err := errors.Join(m.Infer(a, Noise(ImageLen)), n.Infer(b, Noise(ImageLen))); err != nil {
			t.Fatal(err)
		}
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("%v: the trainer's model has output %v, that of its file %v", isa, a[i], b[i])
			}
		}
	}
}

// TestTrainErrors: what does not fit, or is not finite, leaves the weights alone.
func TestTrainErrors(t *testing.T) {
	tr := testTrainer(t)
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	if err := tr.Save(before); err != nil {
		t.Fatal(err)
	}
	x := Noise(ImageLen)
	x[0] = float32(math.NaN())
	for _, c := range []struct {
		images []float32
		labels []int
		want   error
	}{
		{nil, nil, ErrLength},
		{Noise(ImageLen - 1), []int{0}, ErrLength},
		{Noise(ImageLen), []int{0, 0}, ErrLength},
		{Noise((TrainBatch + 1) * ImageLen), make([]int, TrainBatch+1), ErrLength},
		{Noise(ImageLen), []int{Classes}, ErrLabel},
		{Noise(ImageLen), []int{-1}, ErrLabel},
		{x, []int{0}, ErrDiverged},
	} {
		if _, err := tr.Step(c.images, c.labels); !errors.Is(err, c.want) {
			t.Errorf("%d numbers and labels %v: %v, want %v", len(c.images), c.labels, err, c.want)
		}
	}
	if err := tr.Resume(before); !errors.Is(err, ErrWeights) {
		t.Errorf("Resume takes a file of weights: %v", err)
	}
	if err := tr.Save(after); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(before)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(after)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) || tr.Steps() != 0 {
		t.Error("a step that failed changed the weights, or counts")
	}
}

// TestTrainAllocations: a step allocates nothing.
func TestTrainAllocations(t *testing.T) {
	tr := testTrainer(t)
	images, labels := Noise(ImageLen), []int{0}
	if n := testing.AllocsPerRun(2, func() {
		if _, err := tr.Step(images, labels); err != nil {
			t.Error(err)
		}
	}); n >= 1 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestOrder: an epoch has every image once.
func TestOrder(t *testing.T) {
	tr := testTrainer(t)
	seen := map[int32]bool{}
	for _, i := range tr.Next() {
		seen[i] = true
	}
	if len(seen) != TrainBatch {
		t.Errorf("%d of %d images", len(seen), TrainBatch)
	}
}

func BenchmarkStep(b *testing.B) {
	tr := testTrainer(b)
	images, labels := Noise(TrainBatch*ImageLen), make([]int, TrainBatch)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.Step(images, labels); err != nil {
			b.Fatal(err)
		}
	}
}

{{end}}func BenchmarkInfer(b *testing.B) {
	s := testModel(b).NewSession()
	dst, image := make([]float32, {{.OutLen}}), Noise(ImageLen)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Infer(dst, image); err != nil {
			b.Fatal(err)
		}
	}
}

{{.NoiseFunc}}`

const mainText = `{{.Header}}

// Command {{.Package}} classifies pictures (PNG and JPEG) with the network of package
// {{.Package}}:
//
//	{{.Package}} [-k N]{{if not .Embed}} [-weights FILE]{{end}} PICTURE...
//	{{.Package}} [-k N]{{if not .Embed}} [-weights FILE]{{end}} -http 127.0.0.1:8080
//
// With -http it answers the POST of a picture to /classify with JSON. It listens on
// addresses of this machine only, and refuses requests that pages of other sites make
// a browser send. Where requests need more memory than -memory says, they wait; where
// more than -queue wait, they are answered with status 503. SIGINT and SIGTERM end the
// program after all requests have their answers.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	{{if not .Embed}}"path/filepath"
	{{end}}"runtime"
	"strconv"
	"strings"

	model "{{.ImportPath}}"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintf(os.Stderr, "{{.Package}}: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out, log io.Writer) error {
	fs := flag.NewFlagSet("{{.Package}}", flag.ContinueOnError)
	k := fs.Int("k", 5, "give the ` + "`N`" + ` most likely classes")
	address := fs.String("http", "", "serve HTTP at this ` + "`ADDRESS`" + ` of the loopback interface")
	hosts := fs.String("host", "", "with -http: ` + "`NAMES`" + ` of the server beside localhost, separated by commas, as a proxy passes them on")
	memory := fs.Int64("memory", 512, "with -http: ` + "`MIB`" + ` of memory for requests, beside that of the network")
	queue := fs.Int("queue", 256, "with -http: ` + "`N`" + ` requests may wait, and as many with large pictures")
	{{if not .Embed}}weights := fs.String("weights", "", "read the weights from ` + "`FILE`" + `; {{.Weights}} beside the program by default")
	{{end}}if err := fs.Parse(args); err != nil {
		return err
	}
	if err := checkUse(fs, *k, *memory, *queue, *address != ""); err != nil {
		return err
	}
	{{if .Embed}}m, err := model.New()
	{{else}}if *weights == "" {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		*weights = filepath.Join(filepath.Dir(program), {{quote .Weights}})
	}
	m, err := model.Load(*weights)
	{{end}}if err != nil {
		return err
	}
	if *address != "" {
		l := limits{memory: *memory << 20, queue: *queue}
		if *hosts != "" {
			l.hosts = strings.Split(*hosts, ",")
		}
		return serve(*address, forServer(m, *k), l, log)
	}
	for _, path := range fs.Args() {
		top, err := classify(m, path, *k)
		if err != nil {
			return fmt.Errorf("%s: %w", printable(path), err)
		}
		fmt.Fprintf(out, "%s\n", printable(path))
		for _, p := range top {
			fmt.Fprintf(out, "%10.6f  %4d  %s\n", p.Score, p.Class, printable(p.Label))
		}
	}
	return nil
}

// checkUse reports an error for flags and arguments that do not go together.
func checkUse(fs *flag.FlagSet, k int, memory int64, queue int, server bool) error {
	var err error
	fs.Visit(func(f *flag.Flag) {
		if !server && (f.Name == "host" || f.Name == "memory" || f.Name == "queue") {
			err = fmt.Errorf("-%s needs -http", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case k < 1:
		return fmt.Errorf("-k is %d; want at least 1", k)
	case memory < 16 || memory > 1<<20:
		return fmt.Errorf("-memory is %d; want 16 to %d", memory, 1<<20)
	case queue < 0:
		return fmt.Errorf("-queue is %d; want at least 0", queue)
	case server && fs.NArg() > 0:
		return errors.New("name pictures or -http, not both")
	case !server && fs.NArg() == 0:
		return errors.New("name the pictures to classify, or -http ADDRESS")
	}
	return nil
}

func classify(m *model.Model, path string, k int) ([]model.Prediction, error) {
	file, err := readPicture(path)
	if err != nil {
		return nil, err
	}
	img, err := decode(file)
	if err != nil {
		return nil, err
	}
	return m.ClassifyImage(img, k)
}

// forServer is the model as the server uses it.
func forServer(m *model.Model, k int) network {
	const session = {{.SessionBytes}} // bytes
	return network{
		imageLen:   model.ImageLen,
		memory:     session * int64(runtime.GOMAXPROCS(0)),
		preprocess: model.Preprocess,
		classify:   func(image []float32) (any, error) { return m.Classify(image, k) },
	}
}

// printable is a name as it is printed: quoted where it holds what a terminal would
// not show.
func printable(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(name)
		}
	}
	return name
}
`

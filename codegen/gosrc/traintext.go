package gosrc

// trainText is the template of a trainer.
const trainText = `{{.Header}}
{{$t := .Trainer}}
package {{.Package}}

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"strconv"

	"{{.Runtime}}"
)

// How the spec has the network trained.
const (
	TrainBatch = {{$t.Plan.Batch}} // images of a step, at most
	Epochs = {{float $t.Recipe.Run.Epochs}} // of a run
	Seed = {{$t.Recipe.Run.Seed}} // of the order of the images{{if $t.Dropout}} and of dropout{{end}}{{if .Drawn}}, and of the weights that the package comes with{{end}}
)

var (
	// ErrLabel is wrapped by errors that tell of labels that are no class.
	ErrLabel = errors.New("{{.Package}}: no such class")
	// ErrDiverged is wrapped by the error of a step whose loss or gradients are not
	// finite. The weights are those of the step before.
	ErrDiverged = errors.New("{{.Package}}: loss or gradients are not finite")
)

// schedule is the learning rate: {{$t.Sched}}.
var schedule = {{$t.SchedText}}

{{wrap (printf "Trainer trains the network: %s; the learning rate is %s. It holds the weights, running statistics and what the optimizer remembers (%s), and the memory of a step (%s). One call at a time." $t.Method $t.Sched $t.StateText $t.ArenaText)}}//
// The weights have the same bits for any number of threads, which is GOMAXPROCS,
// and on AVX2 and AVX-512: those of incc train, where steps get the same images. A
// run over labelled images, as incc train makes it:
//
//	t, err := {{if .Embed}}NewTrainer(len(labels)){{else}}LoadTrainer({{quote .Weights}}, len(labels)){{end}}
//	...
//	batch, classes := make([]float32, TrainBatch*ImageLen), make([]int, TrainBatch)
//	for !t.Done() {
//		for i, at := range t.Next() {
//			{{if .Picture}}err = FromPixels(batch[i*ImageLen:(i+1)*ImageLen], pixels[at]){{else}}copy(batch[i*ImageLen:(i+1)*ImageLen], images[at]){{end}}
//			classes[i] = labels[at]
//		}
//		loss, err := t.Step(batch, classes)
//		...
//	}
//	err = t.Save("weights.safetensors")
{{if $t.Augment}}//
{{wrap (printf "The spec also wants the images augmented: %s. That is the caller's part." $t.Augment)}}{{end}}type Trainer struct {
	isa kernel.ISA
	team *kernel.Team
	arena *kernel.Arena
	params *kernel.Arena // what steps change
	{{if $t.Packings}}constants *kernel.Arena
	{{end}}tables [len(trainSteps)][]int // offsets that some kernels walk through
	args [len(trainSteps)]kernel.Args
	{{template "jobs" $t}}body func(w *kernel.Worker) // run, made once

	images int // of an epoch
	order []int32 // of the images in the epoch
	epoch int // that order is of, -1 for none
	step int // steps that were taken
	{{if $t.Plateau}}drops int // of the rate
	{{end}}correct int // images of the last step

	// Operands of a step:
	labels [TrainBatch]float32
	rate [1]float32
	{{if $t.Counts}}count [1]float32
	{{end}}loss, norm [1]float32
	logits [TrainBatch * Classes]float32
}
{{if .Embed}}
// NewTrainer begins a run on so many images, at least TrainBatch, with the weights
// that are part of the program{{if .Drawn}}: those that incc train begins with{{end}}.
func NewTrainer(images int) (*Trainer, error) {
	file, err := kernel.ParseTensors(embedded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeights, err)
	}
	return newTrainer(file, images)
}
{{end}}
// LoadTrainer begins a run on so many images, at least TrainBatch, with the weights
// in a safetensors file, which has all those of the spec under their names and
// with their shapes, as Save writes it. What else is in it does not matter.
func LoadTrainer(path string, images int) (t *Trainer, err error) {
	err = withTensors(path, func(file *kernel.Tensors) error {
		t, err = newTrainer(file, images)
		return err
	})
	return t, err
}

// withTensors opens a safetensors file.
func withTensors(path string, do func(*kernel.Tensors) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := kernel.OpenTensors(f, info.Size())
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrWeights, path, err)
	}
	if err := do(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func newTrainer(file *kernel.Tensors, images int) (*Trainer, error) {
	if images < TrainBatch {
		return nil, fmt.Errorf("%w: %d images do not fill a batch of %d", ErrLength, images, TrainBatch)
	}
	isa, err := kernel.Best()
	if err != nil {
		return nil, err
	}
	t := &Trainer{isa: isa, images: images, order: make([]int32, images), epoch: -1, arena: kernel.NewArena({{$t.Plan.Arena}}), params: kernel.NewArena({{$t.Plan.StateLen}})}
	if err := t.read(file, weight); err != nil {
		return nil, err
	}
	for i := range params {
		if p := &params[i]; p.kind != weight {
			x := make([]float32, p.info().Elements())
			for j := range x {
				x[j] = p.init
			}
			if err := t.put(p, x); err != nil {
				return nil, err
			}
		}
	}
	{{if $t.Packings}}t.constants = kernel.NewArena({{$t.Plan.Packed}})
	for _, p := range trainConstants {
		if err := kernel.PackInto(t.constants.Mem[p.at:p.at+p.n], p.how, p.arg, trainSteps[p.step]); err != nil {
			return nil, err
		}
	}
	{{end}}scratch := 0
	for i, k := range trainSteps {
		if x, ok := k.(kernel.Tabler); ok {
			t.tables[i] = x.Table(isa)
		}
		if x, ok := k.(kernel.Scratcher); ok {
			scratch = max(scratch, x.Scratch())
		}
	}
	t.team = kernel.DefaultPool().NewTeam(isa, scratch)
	t.bind()
	t.body = t.run
	return t, nil
}

{{wrap (printf "Step computes loss and gradients of 1 to TrainBatch images, which lie one behind another as Infer takes them, labels[i] being the class of image i, and then changes the weights. It returns the loss before that change: %s. Nothing is allocated." $t.Losses)}}//
// Errors wrap ErrLength, ErrLabel or ErrDiverged, and leave the weights as they
// were.
func (t *Trainer) Step(images []float32, labels []int) (loss float32, err error) {
	n := len(labels)
	if n < 1 || n > TrainBatch || len(images) != n*ImageLen {
		return 0, fmt.Errorf("%w: Step wants 1 to %d labels and %d float32s for each, not %d and %d", ErrLength, TrainBatch, ImageLen, n, len(images))
	}
	for i, l := range labels {
		if l < 0 || l >= Classes {
			return 0, fmt.Errorf("%w: label %d of image %d; there are %d", ErrLabel, l, i, Classes)
		}
		kernel.PutInt(t.labels[:], i, int32(l))
	}
	t.rate[0] = float32(t.Rate())
	{{if $t.Counts}}kernel.PutInt(t.count[:], 0, int32(t.step))
	{{end}}for i := range t.args {
		t.args[i].Images = n
	}
	{{range $t.Edges.In}}{{.}}.Mem = images
	{{end}}t.team.Run(t.body)
	{{range $t.Edges.In}}{{.}}.Mem = nil
	{{end}}if !t.finite() {
		return t.loss[0], fmt.Errorf("%w: loss %g, norm of the gradients %g at step %d", ErrDiverged, t.loss[0], t.norm[0], t.step)
	}
	t.correct = 0
	for i, l := range labels {
		if kernel.ArgMax(t.logits[i*Classes:(i+1)*Classes]) == l {
			t.correct++
		}
	}
	t.step++
	return t.loss[0], nil
}

// finite reports whether the step may change the weights.
func (t *Trainer) finite() bool { return t.loss[0]-t.loss[0] == 0 && t.norm[0]-t.norm[0] == 0 }

// Correct is how many images of the last step had their largest score at their
// label, before the weights changed.
func (t *Trainer) Correct() int { return t.correct }

// Norm is that of all gradients together at the last step{{if $t.Recipe.Clip.Norm}}, before they were clipped{{end}}.
func (t *Trainer) Norm() float32 { return t.norm[0] }

// Steps is how many steps were taken, those before Resume among them.
func (t *Trainer) Steps() int { return t.step }

// Rate is the learning rate of the next step.
func (t *Trainer) Rate() float64 {
	return schedule.Rate(float64(t.step)/float64(t.images/TrainBatch), {{if $t.Plateau}}t.drops{{else}}0{{end}})
}
{{if $t.Plateau}}
// Drop lowers the learning rate, once accuracy does not rise any more.
func (t *Trainer) Drop() { t.drops++ }
{{end}}
// Done reports whether the run is over: Epochs epochs.
func (t *Trainer) Done() bool {
	return float64(t.step) >= math.Round(Epochs*float64(t.images/TrainBatch))
}

// Next returns which images the next step takes, TrainBatch of 0..images-1: the
// order is drawn for each epoch with Seed, as incc train draws it, and images that
// do not fill a batch at its end are left out. The slice holds until the epoch is
// over; do not change it.
func (t *Trainer) Next() []int32 {
	steps := t.images / TrainBatch
	if e := t.step / steps; e != t.epoch {
		kernel.Order(t.order, Seed, e)
		t.epoch = e
	}
	at := t.step % steps * TrainBatch
	return t.order[at : at+TrainBatch]
}
{{with .Picture}}
{{wrap (printf "FromPixels writes an image of %d x %d x %d bytes, %s, into dst as incc train feeds it to a step: %s." $.C $.H $.W (or (and (eq $.C 3) "planes of red, green and blue") "rows of grey") .Says)}}func FromPixels(dst []float32, pixels []byte) error {
	if len(dst) != ImageLen || len(pixels) != ImageLen {
		return fmt.Errorf("%w: FromPixels wants %d float32s and bytes, not %d and %d", ErrLength, ImageLen, len(dst), len(pixels))
	}
	const plane = Height * Width
	for c := range Channels {
		mean, std := 0.0, 1.0
		if len(input.mean) > 0 {
			mean = input.mean[c]
		}
		if len(input.std) > 0 {
			std = input.std[c]
		}
		p := kernel.NewPixel(input.lo, input.hi, mean, std)
		from := c
		if input.bgr {
			from = Channels - 1 - c
		}
		for i, v := range pixels[from*plane : (from+1)*plane] {
			dst[c*plane+i] = p.Number(float32(v))
		}
	}
	return nil
}
{{end}}
// origin says in files what their weights are of.
var origin = map[string]string{"incc": {{quote .Version}}, "net": {{$t.NetQuoted}}, "spec": {{$t.HashQuoted}}}

{{wrap (printf "Save writes the weights and running statistics to a safetensors file, as incc train does: for Load, and for incc predict --weights.%s After a crash the file is as it was before, or whole." (or (and $t.Averages " Once a step was taken they are the averages that the spec wants kept.") ""))}}func (t *Trainer) Save(path string) error {
	infos, get := t.weights(t.step > 0, weight)
	return kernel.WriteTensors(kernel.Disk{}, path, origin, infos, get)
}

// Model makes a model of what Save would write.
func (t *Trainer) Model() (*Model, error) {
	infos, get := t.weights(t.step > 0, weight)
	var b bytes.Buffer
	if err := kernel.EncodeTensors(&b, origin, infos, get); err != nil {
		return nil, err
	}
	file, err := kernel.ParseTensors(b.Bytes())
	if err != nil {
		return nil, err
	}
	return newModel(file)
}

// Checkpoint writes all that the run depends on to a safetensors file, from which
// Resume goes on. After a crash the file is as it was before, or whole.
func (t *Trainer) Checkpoint(path string) error {
	infos, get := t.weights(false, weight, slot)
	meta := maps.Clone(origin)
	meta["images"], meta["step"] = strconv.Itoa(t.images), strconv.Itoa(t.step)
	{{if $t.Plateau}}meta["drops"] = strconv.Itoa(t.drops)
	{{end}}return kernel.WriteTensors(kernel.Disk{}, path, meta, infos, get)
}

// Resume goes on where a trainer of as many images wrote a Checkpoint: what follows
// has the bits of a run that never stopped. After an error the trainer is as it
// was.
func (t *Trainer) Resume(path string) error {
	return withTensors(path, func(file *kernel.Tensors) error {
		meta := file.Metadata()
		step, err := strconv.Atoi(meta["step"])
		if err != nil || step < 0 || step > math.MaxInt32 || meta["spec"] != origin["spec"] || meta["images"] != strconv.Itoa(t.images) {
			return fmt.Errorf("%w: it is no checkpoint of a run of this network on %d images", ErrWeights, t.images)
		}
		{{if $t.Plateau}}drops, err := strconv.Atoi(meta["drops"])
		if err != nil || drops < 0 {
			return fmt.Errorf("%w: it has %q drops of the learning rate", ErrWeights, meta["drops"])
		}
		{{end}}if err := t.read(file, weight, slot); err != nil {
			return err
		}
		t.step = step
		{{if $t.Plateau}}t.drops = drops
		{{end}}return nil
	})
}

// param is an array that lies among the trainer's params, in the order of the
// kernel that computes with it.
type param struct {
	name string
	shape []int
	kind paramKind
	average int // index + 1 of the average that is saved in its place, 0 for none
	init float32 // that slots and constants begin with
	at, n int // where it lies, in float32s
	how string // it is packed, see kernel.PackInto
	arg float64
	order int // the kernel that packs it: index into orders + 1, 0 for none
}

type paramKind int

const (
	weight paramKind = iota // and running statistics: what Save writes
	slot // of the optimizer, or an average
	constant
)

func (p *param) info() kernel.TensorInfo { return kernel.TensorInfo{Name: p.name, Shape: p.shape} }

func (p *param) by() kernel.Kernel {
	if p.order == 0 {
		return nil
	}
	return orders[p.order-1]
}

// orders are the kernels in whose order params lie.
var orders = [...]kernel.Kernel{
{{range $t.Orders}}	{{.}},
{{end}}}

// params are all arrays without a batch that a step reads or changes, in the order
// of the spec; behind them what the optimizer remembers of each.
var params = [...]param{
{{range $t.Params}}	{name: {{.Name}}, shape: {{.Shape}}, kind: {{.Kind}}, {{if .Average}}average: {{.Average}}, {{end}}{{if .Init}}init: {{.Init}}, {{end}}at: {{.At}}, n: {{.Len}}, how: {{.How}}{{if .Arg}}, arg: {{.Arg}}{{end}}{{if .Order}}, order: {{.Order}}{{end}}},
{{end}}}

// put replaces the values of a param, get copies them.
func (t *Trainer) put(p *param, values []float32) error {
	return kernel.PackInto(t.params.Mem[p.at:p.at+p.n], p.how, p.arg, p.by(), values)
}

func (t *Trainer) get(p *param, values []float32) error {
	return kernel.UnpackFrom(t.params.Mem[p.at:p.at+p.n], values, p.how, p.arg, p.by())
}

// weights lists params of some kinds, and how to get them, or their averages.
func (t *Trainer) weights(averages bool, kinds ...paramKind) (infos []kernel.TensorInfo, get func(dst []float32, i int) error) {
	var from []*param
	for i := range params {
		p := &params[i]
		for _, k := range kinds {
			if p.kind == k {
				infos, from = append(infos, p.info()), append(from, p)
			}
		}
	}
	return infos, func(dst []float32, i int) error {
		p := from[i]
		if averages && p.average > 0 {
			p = &params[p.average-1]
		}
		return t.get(p, dst)
	}
}

// read replaces params of some kinds by what is in a file: all or none.
func (t *Trainer) read(file *kernel.Tensors, kinds ...paramKind) error {
	infos, _ := t.weights(false, kinds...)
	if err := file.Match(infos); err != nil {
		return fmt.Errorf("%w: %w", ErrWeights, err)
	}
	values := make(map[string][]float32, len(infos))
	for _, in := range infos {
		x, err := file.Float32s(in.Name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrWeights, err)
		}
		values[in.Name] = x
	}
	for i := range params {
		if x, ok := values[params[i].name]; ok {
			if err := t.put(&params[i], x); err != nil {
				return fmt.Errorf("%w: %q: %w", ErrWeights, params[i].name, err)
			}
		}
	}
	return nil
}
{{if $t.Packings}}
// trainConstants are arrays that steps read and never change.
var trainConstants = [...]struct {
	at, n, step int
	how string
	arg float64
}{
{{range $t.Packings}}	{at: {{.At}}, n: {{.Len}}, step: {{.Step}}, how: {{.How}}{{if .Arg}}, arg: {{.Arg}}{{end}}},
{{end}}}
{{end}}
// trainSteps are the kernels of a step in the order in which they run: forwards,
// backwards, and then all that changes weights.
{{template "steps" $t.Program}}
// run is what every thread does: it computes its share of each step and waits for
// the others before the next.
func (t *Trainer) run(w *kernel.Worker) {
{{range $t.Forwards}}	t.{{.}}(w)
{{end}}	// Every thread sees the same numbers, which were written before it waited last.
	if !t.finite() {
		return
	}
{{range $t.Updates}}	t.{{.}}(w)
{{end}}}
{{template "sections" $t.Program}}
// bind tells every step where its operands lie.
{{$many := $t.Chunks}}{{if $many}}func (t *Trainer) bind() {
{{range $i, $c := $many}}	t.bind{{$i}}()
{{end}}}
{{range $i, $c := $many}}
func (t *Trainer) bind{{$i}}() {
{{template "places" $t}}{{template "bind" $c}}}
{{end}}{{else}}func (t *Trainer) bind() {
{{template "places" $t}}{{template "bind" $t.Program}}}
{{end}}{{define "places"}}	at := func(off int) kernel.Buf { return kernel.Buf{Mem: t.arena.Mem, Off: off} }
	a := func(at, n int) []float32 { return t.arena.Mem[at : at+n : at+n] }
	param := func(off int) kernel.Buf { return kernel.Buf{Mem: t.params.Mem, Off: off} }
	p := func(at, n int) []float32 { return t.params.Mem[at : at+n : at+n] }
	{{if .Packings}}w := func(at, n int) []float32 { return t.constants.Mem[at : at+n : at+n] }
	_ = w
	{{end}}_, _, _, _ = at, a, param, p
{{end}}`

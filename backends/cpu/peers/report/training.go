package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
)

// trainingRate is so low that the weights hardly change: the inputs are noise.
const trainingRate = 1e-5

// trainer returns incc as a side that makes training steps of SGD with momentum.
func (r *report) trainer(n net, batch, threads int, twice autodiff.Recompute) (*side, *train.CPU, []float32, []int32, error) {
	g, err := r.weighted(n)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	e, err := train.NewCPU(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Recompute: twice}, batch, 1, cpu.Options{Threads: threads})
	if err != nil {
		return nil, nil, nil, nil, err
	}
	images := noise(g, batch).Data
	labels, _ := labelsOf(batch, e.Classes())
	step := int64(0)
	s := &side{what: fmt.Sprint("ours", n.text, batch), result: func() ([]float32, error) { return nil, nil }}
	s.Run = peers.Timed(func() error {
		st, err := e.Step(images, labels, trainingRate, step)
		if err == nil && !st.Finite() {
			err = fmt.Errorf("loss %g, norm of the gradients %g at step %d", st.Loss, st.Norm, step)
		}
		step++
		return err
	})
	s.macs, err = r.macs(n)
	s.macs *= int64(batch)
	return s, e, images, labels, err
}

// labelsOf returns labels for a batch, as int32 for incc and int64 for PyTorch.
func labelsOf(batch, classes int) (i32 []int32, i64 []int64) {
	for i := range batch {
		l := i * 7 % classes
		i32, i64 = append(i32, int32(l)), append(i64, int64(l))
	}
	return i32, i64
}

// training compares training steps with PyTorch in all of its modes.
func (r *report) training() error {
	type row struct {
		name    string
		replace []string
		label   string
		batch   int
	}
	rows := []row{
		{"nin_cifar10", nil, "nin_cifar10", 32},
		{"nin_cifar10", nil, "nin_cifar10", 128},
		{"googlenet", nil, "googlenet", 16},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16},
		{"resnet50", nil, "resnet50", 8},
		{"mobilenet_v2", nil, "mobilenet_v2", 16},
	}
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			rows = append(rows, row{name, nil, name, 128})
		}
	}
	t := &table{head: []string{"network", "batch", "incc, ms"}}
	for _, m := range torchModes {
		t.head = append(t.head, m.String()+", ms")
	}
	t.head = append(t.head, "times faster than the best (95 %)")
	var notes []string
	for _, x := range rows {
		r.row("training", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			said, err := r.trainingRow(t, n, x.label, x.batch)
			notes = append(notes, said...)
			return err
		})
	}
	return r.publish("training", "A training step", fmt.Sprintf("Forward, cross-entropy, backward and an update by SGD with momentum, on %d threads, without heads, in turns.%s", r.threads, asList(notes)), t.String())
}

func (r *report) trainingRow(t *table, n net, label string, batch int) ([]string, error) {
	us, e, _, _, err := r.trainer(n, batch, r.threads, autodiff.KeepAll)
	if err != nil {
		return nil, err
	}
	_, labels := labelsOf(batch, e.Classes())
	sides := []*side{us}
	defer func() { closeAll(sides) }()
	rivals, names, notes, err := r.rivals(torchModes, n, batch, r.threads, labels)
	if err != nil {
		return nil, err
	}
	sides = append(sides, rivals...)
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return notes, err
	}
	cells := []string{label, fmt.Sprint(batch), millis(times[0])}
	for _, m := range torchModes {
		cell := "–"
		for i, k := range names {
			if k == m {
				cell = millis(times[1+i])
			}
		}
		cells = append(cells, cell)
	}
	best := fastest(times[1:])
	t.add(append(cells, ratio(peers.Versus(times[0], times[1+best])))...)
	return notes, nil
}

// directions measures the three convolutions of a training step of GoogLeNet, layer
// by layer: forward, the gradient of the data, the gradient of the weights.
func (r *report) directions() error {
	const batch = 16
	t := &table{head: []string{"layer", "output", "forward, ms", "of the peak", "data, ms", "of the peak", "weights, ms", "of the peak"}}
	sums := &table{head: []string{"layers", "forward, ms", "of the peak", "data, ms", "of the peak", "weights, ms", "of the peak"}}
	r.row("directions", fmt.Sprintf("googlenet b%d", batch), func() error {
		n, err := spec("googlenet", withoutLRN, "")
		if err != nil {
			return err
		}
		s, e, images, labels, err := r.trainer(n, batch, r.threads, autodiff.KeepAll)
		if err != nil {
			return err
		}
		if _, err := s.Run(2); err != nil {
			return err
		}
		peak := kernel.Peak(isa(), r.threads, peakTime)
		times, err := e.Trainer().StepTimes(images, labels, min(r.pairs, 10))
		if err != nil {
			return err
		}
		peak = max(peak, kernel.Peak(isa(), r.threads, peakTime))
		r.directionRows(t, sums, e, times, peak)
		return nil
	})
	return r.publish("directions", "The three directions of convolution", fmt.Sprintf("A training step of GoogLeNet without LRN, batch %d, %d threads: forward, the gradient of the data, the gradient of the weights. "+
		"Times are the least of %d runs of each step of the plan, one after another. Multiply-accumulates are counted as direct convolution, so Winograd passes 100 %%. The first layer has no gradient of its data.", batch, r.threads, min(r.pairs, 10)),
		sums.String(), "<details><summary>every layer</summary>\n", t.String(), "</details>\n")
}

// work is a number of multiply-accumulates and the time that they took.
type work struct {
	macs    int64
	seconds float64
}

func (w *work) add(macs int64, seconds float64) { w.macs, w.seconds = w.macs+macs, w.seconds+seconds }

func (w work) cells(peak float64) []string {
	if w.macs == 0 {
		return []string{"", ""}
	}
	return []string{fmt.Sprintf("%.2f", w.seconds*1e3), percent(w.macs, w.seconds, peak)}
}

// convolution returns the name of the convolution that a step belongs to, and its direction:
// 0 forward, 1 gradient of the data, 2 gradient of the weights. It looks at the nodes of the
// step, because a fused step is named after its last node, which for a gradient of data is
// the ReLU in front of the convolution.
func convolution(nodes []string) (name string, direction int) {
	for _, n := range nodes {
		for d, suffix := range []string{"/conv_dx", "/weight.grad"} {
			if s, ok := strings.CutSuffix(n, suffix); ok {
				return s, 1 + d
			}
		}
	}
	return nodes[0], 0
}

func (r *report) directionRows(t, sums *table, e *train.CPU, times []float64, peak float64) {
	step, _ := e.Trainer().Programs()
	var layers []string
	by, shape := map[string]*[3]work{}, map[string]string{}
	for i, st := range step.Plan().Steps {
		if st.Cost.MACs == 0 {
			continue
		}
		name, direction := convolution(st.From)
		if !strings.Contains(name, "conv_") {
			continue // a dense layer
		}
		if by[name] == nil {
			layers = append(layers, name)
			by[name] = &[3]work{}
		}
		if direction == 0 {
			shape[name] = fmt.Sprintf("%dx%dx%d", st.Shape[1], st.Shape[2], st.Shape[3])
		}
		by[name][direction].add(st.Cost.MACs, times[i])
	}
	kinds := []string{"7x7/2", "1x1", "3x3", "5x5", "all"}
	total := map[string]*[3]work{}
	for _, k := range kinds {
		total[k] = &[3]work{}
	}
	for _, name := range layers {
		cells := []string{name, shape[name]}
		kind := name[strings.LastIndex(name, "conv_")+len("conv_"):]
		if kind == "7x7" {
			kind = "7x7/2"
		}
		kind, _, _ = strings.Cut(kind, "_")
		for d, w := range by[name] {
			cells = append(cells, w.cells(peak)...)
			for _, k := range []string{kind, "all"} {
				if total[k] != nil {
					total[k][d].add(w.macs, w.seconds)
				}
			}
		}
		t.add(cells...)
	}
	for _, k := range kinds {
		cells := []string{k}
		for _, w := range total[k] {
			cells = append(cells, w.cells(peak)...)
		}
		sums.add(cells...)
	}
}

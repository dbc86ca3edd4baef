package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/specs"
)

const withoutLRN = " -> lrn 5"

// inference compares forward passes with ONNX Runtime, on all threads and on one.
func (r *report) inference() error {
	type row struct {
		name     string
		replace  []string
		label    string
		batch    int
		versions []string
	}
	both, newest := []string{peers.ORT, peers.OldORT}, []string{peers.ORT}
	rows := []row{
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 1, newest},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16, newest},
		{"googlenet", nil, "googlenet", 1, both},
		{"googlenet", nil, "googlenet", 16, both},
	}
	for _, name := range []string{"googlenet_bn", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2"} {
		rows = append(rows, row{name, nil, name, 1, newest})
	}
	rows = append(rows, row{"nin_cifar10", nil, "nin_cifar10", 1, newest}, row{"nin_cifar10", nil, "nin_cifar10", 32, newest})
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			rows = append(rows, row{name, nil, name, 1, newest}, row{name, nil, name, 128, newest})
		}
	}
	isa, err := kernel.Best()
	if err != nil {
		return err
	}
	threads := r.counts()
	t := &table{head: []string{"network", "batch", "ONNX Runtime", "activations"}}
	for _, k := range threads {
		on := fmt.Sprintf("%d threads", k)
		if k == 1 {
			on = "one thread"
		}
		t.head = append(t.head, on+": times faster (95 %)", "incc, ms", "ONNX Runtime, ms", "of the peak")
	}
	if len(threads) > 1 {
		t.head = append(t.head, fmt.Sprintf("incc on %d threads against one", r.threads), "ONNX Runtime likewise")
	}
	for _, x := range rows {
		r.row("inference", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			return r.inferenceRow(t, n, x.label, x.batch, threads, x.versions, isa)
		})
	}
	t.print(r.out, "Inference", fmt.Sprintf("float32, %v; medians, and the ratio of each pair of turns with a distribution-free interval of its median. "+
		"*activations* are the standard deviations of the parts' outputs. Rates count the spec's multiply-accumulates as direct convolution, Winograd or not, as a share of the peak measured around the row.", isa))
	return nil
}

func (r *report) inferenceRow(t *table, n net, label string, batch int, threads []int, versions []string, isa kernel.ISA) error {
	spread, err := r.spread(n)
	if err != nil {
		return err
	}
	var sides []*side
	defer func() { closeAll(sides) }()
	add := func(s *side, err error) error {
		if err == nil {
			sides = append(sides, s)
		}
		return err
	}
	for _, k := range threads {
		if err := add(r.ours(n, "O2", cpu.Options{Batch: batch, Threads: k})); err != nil {
			return err
		}
		for _, v := range versions {
			if err := add(r.theirs(v, n, "O1", batch, k)); err != nil {
				return err
			}
		}
	}
	peaks := make([]float64, len(threads))
	for i, k := range threads {
		peaks[i] = kernel.Peak(isa, k, peakTime)
	}
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return err
	}
	for i, k := range threads {
		peaks[i] = max(peaks[i], kernel.Peak(isa, k, peakTime))
	}
	per := 1 + len(versions)
	for j, v := range versions {
		cells := []string{label, fmt.Sprint(batch), v, spread}
		for i := range threads {
			us, them := times[i*per], times[i*per+1+j]
			cells = append(cells, ratio(peers.Versus(us, them)), millis(us), millis(them), percent(sides[i*per].macs, median(us), peaks[i]))
		}
		if len(threads) > 1 {
			cells = append(cells, fmt.Sprintf("%.2f", peers.Versus(times[0], times[per]).Ratio()), fmt.Sprintf("%.2f", peers.Versus(times[1+j], times[per+1+j]).Ratio()))
		}
		t.add(cells...)
	}
	return nil
}

package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
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
	latest := []string{newest(isa())}
	both := latest
	if latest[0] == peers.ORT { // the old one cannot be held to AVX2
		both = append(both, peers.OldORT)
	}
	rows := []row{
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 1, latest},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16, latest},
		{"googlenet", nil, "googlenet", 1, both},
		{"googlenet", nil, "googlenet", 16, both},
	}
	for _, name := range []string{"googlenet_bn", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2"} {
		rows = append(rows, row{name, nil, name, 1, latest})
	}
	rows = append(rows, row{"nin_cifar10", nil, "nin_cifar10", 1, latest}, row{"nin_cifar10", nil, "nin_cifar10", 32, latest})
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			rows = append(rows, row{name, nil, name, 1, latest}, row{name, nil, name, 128, latest})
		}
	}
	threads := r.counts()
	t := &table{head: []string{"network", "batch", "ONNX Runtime"}}
	for _, k := range threads {
		on := fmt.Sprintf("%d threads", k)
		if k == 1 {
			on = "one thread"
		}
		t.head = append(t.head, on+": times faster (95 %)", "incc, ms", "ONNX Runtime, ms")
	}
	for _, x := range rows {
		r.row("inference", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			return r.inferenceRow(t, n, x.label, x.batch, threads, x.versions)
		})
	}
	return r.publish("inference", "Inference against ONNX Runtime", "float32; median times, and the median of the ratios of each pair of turns with its interval. "+
		"Some rows are without local response normalization (LRN), because ONNX Runtime became slow at it after version 1.20.", t.String())
}

func (r *report) inferenceRow(t *table, n net, label string, batch int, threads []int, versions []string) error {
	if err := r.checkActivations(n); err != nil {
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
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return err
	}
	per := 1 + len(versions)
	for j, v := range versions {
		cells := []string{label, fmt.Sprint(batch), v}
		for i := range threads {
			us, them := times[i*per], times[i*per+1+j]
			cells = append(cells, ratio(peers.Versus(us, them)), millis(us), millis(them))
		}
		t.add(cells...)
	}
	return nil
}

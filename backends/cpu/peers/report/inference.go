package main

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/specs"
)

const withoutLRN = " -> lrn 5"

// inference compares forward passes with ONNX Runtime and OpenVINO, on all threads and on
// one.
func (r *report) inference() error {
	type row struct {
		name    string
		replace []string
		label   string
		batch   int
		peers   []string
	}
	ort := newest(isa())
	field, small, lrn := []string{ort, peers.OpenVINO}, []string{ort}, []string{ort, peers.OpenVINO}
	if ort == peers.ORT { // the old one cannot be held to AVX2
		lrn = append(lrn, peers.OldORT)
	}
	rows := []row{
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 1, field},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16, field},
		{"googlenet", nil, "googlenet", 1, lrn},
		{"googlenet", nil, "googlenet", 16, lrn},
	}
	for _, name := range []string{"googlenet_bn", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2", "vgg16", "alexnet",
		"resnet50", "resnext50", "densenet121", "squeezenet", "mobilenet_v1", "mobilenet_v2"} {
		rows = append(rows, row{name, nil, name, 1, field})
	}
	for _, name := range []string{"resnet50", "resnext50", "mobilenet_v1", "mobilenet_v2"} {
		rows = append(rows, row{name, nil, name, 16, field})
	}
	rows = append(rows, row{"nin_cifar10", nil, "nin_cifar10", 1, field}, row{"nin_cifar10", nil, "nin_cifar10", 32, field})
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			rows = append(rows, row{name, nil, name, 1, small}, row{name, nil, name, 128, small})
		}
	}
	threads := r.counts()
	t := &table{head: []string{"network", "batch", "compared with"}}
	for _, k := range threads {
		on := fmt.Sprintf("%d threads", k)
		if k == 1 {
			on = "one thread"
		}
		t.head = append(t.head, on+": times faster (95 %)", "incc, ms", "the other, ms")
	}
	for _, x := range rows {
		r.row("inference", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			return r.inferenceRow(t, n, x.label, x.batch, threads, x.peers)
		})
	}
	return r.publish("inference", "Inference", "float32; median times, and the median of the ratios of each pair of turns with its interval. "+
		"OpenVINO is told to compute in float32 and is called from Python, which adds some hundredths of a millisecond: it is left out where a run takes less than one. "+
		"Some rows are without local response normalization (LRN), because ONNX Runtime became slow at it after version 1.20.", t.String())
}

func (r *report) inferenceRow(t *table, n net, label string, batch int, threads []int, others []string) error {
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
		for _, v := range others {
			if err := add(r.theirs(v, n, "O1", batch, k)); err != nil {
				return err
			}
		}
	}
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return err
	}
	per := 1 + len(others)
	for j, v := range others {
		cells := []string{label, fmt.Sprint(batch), peers.Title(v)}
		for i := range threads {
			us, them := times[i*per], times[i*per+1+j]
			cells = append(cells, ratio(peers.Versus(us, them)), millis(us), millis(them))
		}
		t.add(cells...)
	}
	return nil
}

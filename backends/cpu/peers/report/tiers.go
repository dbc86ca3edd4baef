package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// tiers compares incc on every vector tier of the machine with ONNX Runtime on the same
// tier, for five networks.
func (r *report) tiers() error {
	t := &table{head: []string{"network", "batch"}}
	var vector []kernel.ISA
	for _, isa := range kernel.Available() {
		if isa != kernel.Portable {
			vector = append(vector, isa)
			t.head = append(t.head, fmt.Sprintf("%v: times faster (95 %%)", isa), "incc, ms", "ONNX Runtime, ms")
		}
	}
	for _, x := range []struct {
		name    string
		replace []string
		label   string
		batch   int
	}{
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 1},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16},
		{"inception_v3", nil, "inception_v3", 1},
		{"nin_cifar10", nil, "nin_cifar10", 32},
		{"mnist/inception_v1", nil, "mnist/inception_v1", 128},
	} {
		r.row("tiers", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			var sides []*side
			defer func() { closeAll(sides) }()
			for _, isa := range vector {
				us, err := r.ours(n, "O2", cpu.Options{Batch: x.batch, Threads: r.threads, ISA: isa.String()})
				if err != nil {
					return err
				}
				sides = append(sides, us)
				them, err := r.theirs(newest(isa), n, "O1", x.batch, r.threads)
				if err != nil {
					return err
				}
				sides = append(sides, them)
			}
			times, err := r.race(r.pairs, sides...)
			if err != nil {
				return err
			}
			cells := []string{x.label, fmt.Sprint(x.batch)}
			for i := range vector {
				us, them := times[2*i], times[2*i+1]
				cells = append(cells, ratio(peers.Versus(us, them)), millis(us), millis(them))
			}
			t.add(cells...)
			return nil
		})
	}
	return r.publish("tiers", "Five networks on each vector tier", fmt.Sprintf("float32, %d threads, in turns. ONNX Runtime %s uses the instructions of the same tier: beside AVX2 on a processor with AVX-512 it is a copy in which the question for AVX-512's registers is always answered with no ([peers.HoldToAVX2](../avx2.go)).",
		r.threads, peers.ORT), t.String())
}

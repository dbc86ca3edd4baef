package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// tiers compares incc on every vector tier of the machine with ONNX Runtime, for five
// networks.
func (r *report) tiers() error {
	t := &table{head: []string{"network", "batch", "ONNX Runtime, ms"}}
	var vector []kernel.ISA
	for _, isa := range kernel.Available() {
		if isa != kernel.Portable {
			vector = append(vector, isa)
			t.head = append(t.head, fmt.Sprintf("incc with %v, ms", isa), "times faster (95 %)")
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
			them, err := r.theirs(peers.ORT, n, "O1", x.batch, r.threads)
			if err != nil {
				return err
			}
			sides := []*side{them}
			defer func() { closeAll(sides) }()
			for _, isa := range vector {
				us, err := r.ours(n, "O2", cpu.Options{Batch: x.batch, Threads: r.threads, ISA: isa.String()})
				if err != nil {
					return err
				}
				sides = append(sides, us)
			}
			times, err := r.race(r.pairs, sides...)
			if err != nil {
				return err
			}
			cells := []string{x.label, fmt.Sprint(x.batch), millis(times[0])}
			for i := range vector {
				cells = append(cells, millis(times[1+i]), ratio(peers.Versus(times[1+i], times[0])))
			}
			t.add(cells...)
			return nil
		})
	}
	return r.publish("tiers", "Five networks on each vector tier", fmt.Sprintf("float32, %d threads, ONNX Runtime %s, in turns. ONNX Runtime chooses its instructions itself: on a processor with AVX-512 it uses them, also in the rows where incc is held to AVX2.",
		r.threads, peers.ORT), t.String())
}

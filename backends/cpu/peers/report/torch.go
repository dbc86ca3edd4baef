package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
)

// torchMode is a version of PyTorch and a way to run it.
type torchMode struct{ version, mode string }

func (m torchMode) String() string {
	if m.version == "debian" {
		return "Debian's, " + m.mode
	}
	return m.version + ", " + m.mode
}

// torchModes are all ways to run PyTorch that are tried; the tables show the fastest.
// torch.compile exists since PyTorch 2.
var torchModes = []torchMode{
	{peers.Torch, "default"}, {peers.Torch, "channels_last"}, {peers.Torch, "compile"},
	{"debian", "default"}, {"debian", "channels_last"},
}

// torch returns PyTorch as a side that runs a network, or trains it if there are labels.
func (r *report) torch(m torchMode, n net, batch, threads int, labels []int64) (s *side, err error) {
	training := labels != nil
	g, err := r.weighted(n)
	if err != nil {
		return nil, err
	}
	path, err := r.write(g, fmt.Sprintf("torch-%s-%d.onnx", n.name, batch), onnx.Backend{Batch: batch, Dropout: training})
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	p, err := peers.StartTorch(m.version)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%v: %w", m, err), p.Close())
		}
	}()
	in := g.Inputs[0]
	for _, do := range []func() error{
		func() error { return p.Threads(threads) },
		func() error { return p.Mode(m.mode) },
		func() error { return p.Train(training) },
		func() error { return p.Rate(trainingRate) },
		func() error { _, err := p.Load(path); return err },
		func() error {
			return p.Input(peers.Tensor{Name: in.Name, Shape: in.Type.Shape.Bind(batch), Data: noise(g, batch).Data})
		},
	} {
		if err := do(); err != nil {
			return nil, err
		}
	}
	s = &side{what: fmt.Sprint(n.text, batch), Runner: peers.Runner{Run: p.Run, Peer: p}}
	s.result = func() ([]float32, error) {
		out, err := p.Outputs()
		if err != nil {
			return nil, err
		}
		return out[0].Data, nil
	}
	if training {
		if err := p.Input(peers.Tensor{Name: "labels", Shape: []int{batch}, Ints: labels}); err != nil {
			return nil, err
		}
		s.what = fmt.Sprint(m, n.text, batch)
		s.Run = p.Step
		s.result = func() ([]float32, error) { return nil, nil }
	}
	if s.macs, err = r.macs(n); err != nil {
		return nil, err
	}
	s.macs *= int64(batch)
	return s, nil
}

// rivals returns a side for each mode in which PyTorch runs the network, and a note about
// each mode in which it does not. It is an error if there is no side.
func (r *report) rivals(modes []torchMode, n net, batch, threads int, labels []int64) (sides []*side, names []torchMode, notes []string, err error) {
	for _, m := range modes {
		s, err := r.torch(m, n, batch, threads, labels)
		if err == nil {
			// With torch.compile, the first run compiles.
			if _, err = s.Run(1); err == nil {
				err = s.Peer.Pause()
			}
			if err != nil {
				err = errors.Join(err, s.Peer.Close())
			}
		}
		if err != nil {
			text := strings.Join(strings.Fields(err.Error()), " ")
			notes = append(notes, fmt.Sprintf("%s at %d: %v does not run: %.300s", n.name, batch, m, text))
			fmt.Fprintln(os.Stderr, notes[len(notes)-1])
			continue
		}
		sides, names = append(sides, s), append(names, m)
	}
	if len(sides) == 0 {
		return nil, nil, nil, fmt.Errorf("PyTorch runs it in no mode: %s", strings.Join(notes, "; "))
	}
	return sides, names, notes, nil
}

// fastest is the index of the side with the least median.
func fastest(times [][][]time.Duration) int {
	best := 0
	for i, t := range times {
		if median(t) < median(times[best]) {
			best = i
		}
	}
	return best
}

// torchInference compares forward passes with the best of PyTorch and with ONNX
// Runtime at once.
func (r *report) torchInference() error {
	t := &table{head: []string{"network", "batch", "incc, ms", "the best PyTorch, ms", "which", "times faster than it (95 %)", "ONNX Runtime, ms", "times faster than it (95 %)"}}
	var notes []string
	for _, x := range []struct {
		name    string
		replace []string
		label   string
		batch   int
	}{
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 1},
		{"googlenet", []string{withoutLRN, ""}, "googlenet without LRN", 16},
		{"googlenet", nil, "googlenet", 1},
		{"googlenet_bn", nil, "googlenet_bn", 1},
		{"inception_v3", nil, "inception_v3", 1},
		{"nin_cifar10", nil, "nin_cifar10", 32},
		{"mnist/inception_v1", nil, "mnist/inception_v1", 128},
		{"mnist/nin", nil, "mnist/nin", 128},
	} {
		r.row("torch", fmt.Sprintf("%s b%d", x.label, x.batch), func() error {
			n, err := spec(x.name, x.replace...)
			if err != nil {
				return err
			}
			us, err := r.ours(n, "O2", cpu.Options{Batch: x.batch, Threads: r.threads})
			if err != nil {
				return err
			}
			ort, err := r.theirs(newest(isa()), n, "O1", x.batch, r.threads)
			if err != nil {
				return err
			}
			sides := []*side{us, ort}
			defer func() { closeAll(sides) }()
			rivals, names, said, err := r.rivals(torchModes, n, x.batch, r.threads, nil)
			if err != nil {
				return err
			}
			notes = append(notes, said...)
			sides = append(sides, rivals...)
			times, err := r.race(r.pairs, sides...)
			if err != nil {
				return err
			}
			best := fastest(times[2:])
			t.add(x.label, fmt.Sprint(x.batch), millis(times[0]), millis(times[2+best]), names[best].String(), ratio(peers.Versus(times[0], times[2+best])),
				millis(times[1]), ratio(peers.Versus(times[0], times[1])))
			return nil
		})
	}
	return r.publish("torch", "Inference in PyTorch", fmt.Sprintf("float32, %d threads, in turns: incc, ONNX Runtime %s, and PyTorch in these ways, of which the table has the fastest: %s. PyTorch runs the model that incc compile writes, as calls of torch.nn.functional.%s",
		r.threads, peers.ORT, modeList(torchModes), asList(notes)), t.String())
}

func modeList(modes []torchMode) string {
	var s []string
	for _, m := range modes {
		s = append(s, m.String())
	}
	return strings.Join(s, "; ")
}

// asList returns notes as sentences to append to the text of a section.
func asList(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " " + strings.Join(notes, ". ") + "."
}

// isa is the tier that is measured: the best, or INCC_ISA.
func isa() kernel.ISA {
	i, err := kernel.Best()
	if err != nil {
		return kernel.Portable
	}
	return i
}

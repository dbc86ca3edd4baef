package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// side is a program with a loaded network, ready to run: incc, ONNX Runtime or PyTorch.
type side struct {
	peers.Runner
	what   string // names the computation; sides with the same name must have the same result
	result func() ([]float32, error)
	macs   int64 // of a run, as the spec has them
	prog   *cpu.Program
	sess   *cpu.Session
	in     [][]float32
	out    [][]float32
}

func (s *side) close() {
	if s.Peer != nil {
		_ = s.Peer.Close() // its errors were returned by earlier calls
	}
}

func closeAll(sides []*side) {
	for _, s := range sides {
		s.close()
	}
}

// macs counts a network's multiply-accumulates before all passes.
func (r *report) macs(n net) (int64, error) {
	g, err := n.build()
	if err != nil {
		return 0, err
	}
	return ir.Summarize(g).MACs, nil
}

// ours returns incc as a side.
func (r *report) ours(n net, pipeline string, o cpu.Options) (*side, error) {
	g, err := r.graph(n, pipeline)
	if err != nil {
		return nil, err
	}
	p, err := cpu.Compile(g, o)
	if err != nil {
		return nil, err
	}
	s := &side{what: fmt.Sprint(n.text, p.Batch()), prog: p, sess: p.NewSession(), in: [][]float32{noise(g, p.Batch()).Data}}
	s.out = [][]float32{make([]float32, g.Outputs[0].Type.Shape.Bind(p.Batch()).Size())}
	s.Run = peers.Timed(func() error { return s.sess.Run(s.in, s.out) })
	s.result = func() ([]float32, error) { return s.out[0], nil }
	s.macs, err = r.macs(n)
	s.macs *= int64(p.Batch())
	return s, err
}

// newest returns the version of ONNX Runtime that incc on a tier is compared with: the
// newest, held to AVX2 where incc is.
func newest(isa kernel.ISA) string {
	if isa == kernel.AVX2 && slices.Contains(kernel.Available(), kernel.AVX512) {
		return peers.ORTHeldToAVX2
	}
	return peers.ORT
}

// theirs returns ONNX Runtime or OpenVINO of a version as a side, with a built-in network.
func (r *report) theirs(version string, n net, pipeline string, batch, threads int) (*side, error) {
	path, g, err := r.model(n, pipeline, batch)
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	in := peers.Tensor{Name: g.Inputs[0].Name, Shape: g.Inputs[0].Type.Shape.Bind(batch), Data: noise(g, batch).Data}
	s, err := peerSide(version, path, in, threads)
	if err != nil {
		return nil, err
	}
	s.what = fmt.Sprint(n.text, batch)
	s.macs, err = r.macs(n)
	s.macs *= int64(batch)
	return s, err
}

// peerSide returns ONNX Runtime or OpenVINO of a version with a model in a file and its input,
// ready to run. OpenVINO is held to AVX2 where incc is by INCC_ISA.
func peerSide(version, path string, in peers.Tensor, threads int) (*side, error) {
	var p *peers.Peer
	var err error
	if version == peers.OpenVINO {
		p, err = peers.StartOpenVINO(held())
	} else {
		p, err = peers.StartORT(version)
	}
	if err != nil {
		return nil, err
	}
	err = p.Threads(threads)
	if err == nil {
		_, err = p.Load(path)
	}
	if err == nil {
		err = p.Input(in)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	s := &side{Runner: peers.Runner{Run: p.Run, Peer: p}}
	s.result = func() ([]float32, error) {
		out, err := p.Outputs()
		if err != nil {
			return nil, err
		}
		return out[0].Data, nil
	}
	return s, nil
}

// agreement is how far results may differ, relative to the largest value: the tolerance of
// Winograd convolution.
const agreement = 1e-3

// race runs sides in turns and returns the times by side and round. It first checks that
// sides with the same computation have the same result.
func (r *report) race(rounds int, sides ...*side) ([][][]time.Duration, error) {
	var fastest time.Duration
	results := map[string][]float32{}
	var runners []peers.Runner
	for _, s := range sides {
		if _, err := s.Run(2); err != nil {
			return nil, err
		}
		t, err := s.Run(1)
		if err != nil {
			return nil, err
		}
		y, err := s.result()
		if err != nil {
			return nil, err
		}
		if first, ok := results[s.what]; !ok {
			results[s.what] = append([]float32(nil), y...)
		} else if d, m := tensor.MaxDiff(tensor.Of(y, len(y)), tensor.Of(first, len(first))); !(d <= agreement*m) {
			return nil, fmt.Errorf("results differ by %g, the largest value is %g: nothing is timed", d, m)
		}
		if s.Peer != nil {
			if err := s.Peer.Pause(); err != nil {
				return nil, err
			}
		}
		if fastest == 0 || t[0] < fastest {
			fastest = t[0]
		}
		runners = append(runners, s.Runner)
	}
	p := peers.Default
	p.Pairs = rounds
	// The untimed runs of a turn must be long enough, on the fastest side too, for the clock
	// to rise, caches to fill and threads to wake up.
	switch {
	case fastest > 100*time.Millisecond:
		p.Runs, p.Warm = 1, 0
	case fastest > 30*time.Millisecond:
		p.Runs = 1
	default:
		p.Runs = max(3, min(60, int(3*time.Millisecond/max(fastest, 1))))
		p.Warm = max(1, p.Runs/4)
	}
	return peers.Rounds(p, runners...)
}

// peakTime is how long the peak is measured before a row and after it; the larger is used.
const peakTime = 60 * time.Millisecond

// percent is the rate of some multiply-accumulates as a share of a peak in GFLOP/s.
func percent(macs int64, seconds, peak float64) string {
	return fmt.Sprintf("%.0f %%", 100*share(macs, seconds, peak))
}

func median(times [][]time.Duration) float64 { return peers.Quantile(flat(times), 0.5).Seconds() }

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// importedNets are the networks of torchvision that are measured as imported: one of each
// family that is convolutional. backends/onnx/conformance/torch_models.py has the others.
var importedNets = []string{
	"alexnet", "vgg11_bn", "googlenet", "inception_v3", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121",
	"squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "shufflenet_v2_x1_0",
	"efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf", "convnext_tiny",
	"fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large",
}

// torchvision compares networks as PyTorch exports them with ONNX Runtime and OpenVINO: all
// sides read the same file.
func (r *report) torchvision() error {
	t := &table{head: []string{"network", "ONNX Runtime: times faster (95 %)", "OpenVINO: times faster (95 %)", "incc, ms", "ONNX Runtime, ms", "OpenVINO, ms", "outputs differ by"}}
	for _, name := range importedNets {
		r.row("torchvision", name, func() error {
			path, err := r.importedModel(filepath.Join(r.models, name+".old.fixed", "model.onnx"), "torch_models.py", "--native", r.models, name)
			if err != nil {
				return err
			}
			return r.importedRow(t, name, path)
		})
	}
	return r.publish("torchvision", "Networks of torchvision, imported", fmt.Sprintf("Networks as torchvision exports them to ONNX (the exporter by TorchScript, one picture of 224 pixels, of 299 for inception_v3), float32, %d threads. "+
		"All sides read the same file. The last column is the largest difference between the outputs of incc and of ONNX Runtime, relative to the largest output.", r.threads), t.String())
}

// importedModel returns the file of a network. If it is not there, a program of
// backends/onnx/conformance makes it.
func (r *report) importedModel(path, program string, args ...string) (string, error) {
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if r.python == "" {
		return "", fmt.Errorf("there is no %s: -python PYTHON makes it", path)
	}
	program = filepath.Join("backends", "onnx", "conformance", program)
	if msg, err := exec.Command(r.python, append([]string{program}, args...)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s (run the report in the root of its module): %v: %s", program, err, msg)
	}
	return path, nil
}

// importedRow measures a model in a file beside ONNX Runtime and OpenVINO. More cells of the row
// are what functions say of incc's side.
func (r *report) importedRow(t *table, name, path string, more ...func(*side) (string, error)) error {
	us, in, err := importedSide(path, r.threads)
	if err != nil {
		return err
	}
	sides := []*side{us}
	defer func() { closeAll(sides) }()
	for _, version := range []string{newest(isa()), peers.OpenVINO} {
		them, err := peerSide(version, path, in, r.threads)
		if err != nil {
			return err
		}
		sides = append(sides, them)
	}
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return err
	}
	theirs, err := sides[1].result()
	if err != nil {
		return err
	}
	d, largest := tensor.MaxDiff(tensor.Of(us.out[0], len(us.out[0])), tensor.Of(theirs, len(theirs)))
	cells := []string{name, ratio(peers.Versus(times[0], times[1])), ratio(peers.Versus(times[0], times[2])), millis(times[0]), millis(times[1]), millis(times[2]), fmt.Sprintf("%.0e", d/largest)}
	for _, f := range more {
		cell, err := f(us)
		if err != nil {
			return err
		}
		cells = append(cells, cell)
	}
	t.add(cells...)
	return nil
}

// importedSide returns incc as a side with a model in a file, and the input that the model is
// given.
func importedSide(path string, threads int) (*side, peers.Tensor, error) {
	in := peers.Tensor{}
	m, err := onnx.ReadFile(path, onnx.LoadOptions{})
	if err != nil {
		return nil, in, err
	}
	g, err := onnx.Import(m)
	if err != nil {
		return nil, in, err
	}
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		return nil, in, err
	}
	p, err := cpu.Compile(g, cpu.Options{Threads: threads})
	if err != nil {
		return nil, in, err
	}
	x := noise(g, 1)
	in = peers.Tensor{Name: inputName(m), Shape: x.Shape, Data: x.Data}
	s := &side{prog: p, sess: p.NewSession(), in: [][]float32{x.Data}, macs: ir.Summarize(g).MACs}
	for _, v := range g.Outputs {
		s.out = append(s.out, make([]float32, v.Type.Shape.Bind(1).Size()))
	}
	s.Run = peers.Timed(func() error { return s.sess.Run(s.in, s.out) })
	s.result = func() ([]float32, error) { return s.out[0], nil }
	return s, in, nil
}

// inputName returns the name of the first input of a model that is no weight.
func inputName(m *onnx.Model) string {
	var weights []string
	for _, t := range m.Proto.Graph.Initializer {
		weights = append(weights, t.Name)
	}
	for _, in := range m.Proto.Graph.Input {
		if !slices.Contains(weights, in.Name) {
			return in.Name
		}
	}
	return ""
}

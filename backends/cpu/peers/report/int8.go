package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/quantize"
)

//go:embed int8.py
var int8Program string

// int8Nets are the networks of section int8.
var int8Nets = []string{"googlenet_bn", "inception_v3", "resnet50", "mobilenet_v2"}

// withoutVNNI says whether incc computes as without VNNI.
func withoutVNNI() bool { return os.Getenv("INCC_VNNI") == "off" }

// int8 compares networks of 8-bit integers with incc in float32 and with the others, each with the
// model that its own tools make, and with incc's.
func (r *report) int8() error {
	t := &table{head: []string{"network", "threads", "times faster than float32 (95 %)", "float32, ms", "incc, ms", "compared with", "times faster (95 %)", "the other, ms", "error of incc", "of the other"}}
	for _, name := range int8Nets {
		for _, k := range r.counts() {
			r.row("int8", fmt.Sprintf("%s t%d", name, k), func() error { return r.int8Row(t, name, k) })
		}
	}
	return r.publish("int8", "8-bit integers", "One image. incc runs the model of `incc quantize` (all but the first and last layer and grouped convolutions), the others that model, or where `QDQ` stands "+
		"the one that onnxruntime.quantization makes of the float32 network (all layers, a scale for each channel; -python makes it). All ranges are those of one input of noise. The errors are the root mean square of what "+
		"the outputs in front of the softmax differ from float32, relative to them. "+int8Held(), t.String())
}

// int8Held says which instructions the programs use.
func int8Held() string {
	switch {
	case held() && withoutVNNI():
		return "incc and OpenVINO use AVX2 without VNNI (INCC_VNNI=off, ONEDNN_MAX_CPU_ISA); ONNX Runtime cannot be held to that."
	case held():
		return "All use AVX2, with AVX-VNNI where the processor has it."
	}
	return "All use the instructions that they choose themselves."
}

func (r *report) int8Row(t *table, name string, threads int) error {
	n, err := spec(name)
	if err != nil {
		return err
	}
	models, err := r.int8Models(n)
	if err != nil {
		return err
	}
	var sides []*side
	defer func() { closeAll(sides) }()
	for _, g := range []*ir.Graph{models.float, models.int8} {
		s, err := int8Side(g, threads)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	names := []string{}
	versions := []string{peers.OpenVINO}
	if !withoutVNNI() {
		versions = append(versions, newest(isa()))
	}
	for _, v := range versions {
		for _, path := range models.paths {
			in := peers.Tensor{Name: models.float.Inputs[0].Name, Shape: models.float.Inputs[0].Type.Shape.Bind(1), Data: noise(models.float, 1).Data}
			s, err := peerSide(v, path, in, threads)
			if err != nil {
				return err
			}
			s.what = v + path // results differ: their errors are printed
			sides = append(sides, s)
			title := peers.Title(v)
			if path != models.paths[0] {
				title += ", QDQ"
			}
			names = append(names, title)
		}
	}
	times, err := r.race(r.pairs, sides...)
	if err != nil {
		return err
	}
	var errorsOf []string
	want, err := sides[0].result()
	if err != nil {
		return err
	}
	want = slices.Clone(want)
	for _, s := range sides[1:] {
		got, err := s.result()
		if err != nil {
			return err
		}
		errorsOf = append(errorsOf, fmt.Sprintf("%.1f %%", 100*rootMeanSquare(got, want)))
	}
	own := ratio(peers.Versus(times[1], times[0]))
	for i, title := range names {
		t.add(name, fmt.Sprint(threads), own, millis(times[0]), millis(times[1]), title, ratio(peers.Versus(times[1], times[2+i])), millis(times[2+i]), errorsOf[0], errorsOf[1+i])
	}
	return nil
}

// rootMeanSquare is that of the differences, relative to what is wanted.
func rootMeanSquare(got, want []float32) float64 {
	diff, size := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff, size = diff+d*d, size+float64(w)*float64(w)
	}
	return math.Sqrt(diff / size)
}

func int8Side(g *ir.Graph, threads int) (*side, error) {
	p, err := cpu.Compile(g, cpu.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	s := &side{what: g.Name + fmt.Sprint(len(g.Nodes)), prog: p, sess: p.NewSession(), in: [][]float32{noise(g, 1).Data}}
	s.out = [][]float32{make([]float32, g.Outputs[0].Type.Shape.Bind(1).Size())}
	s.Run = peers.Timed(func() error { return s.sess.Run(s.in, s.out) })
	s.result = func() ([]float32, error) { return s.out[0], nil }
	return s, nil
}

// int8Models are a network without its softmax in float32 and quantized, and files of it quantized: by
// incc and, with -python, by ONNX Runtime.
type int8Models struct {
	float, int8 *ir.Graph
	paths       []string
}

func (r *report) int8Models(n net) (m int8Models, err error) {
	if m.float, err = r.graph(n, "O0"); err != nil {
		return m, err
	}
	logits := m.float.Outputs[0].Def.In[0] // each ends with a softmax
	m.float.Outputs = []*ir.Value{logits}
	m.float.Parts = nil
	ir.Rewrite(m.float, "logits").Sweep()
	m.int8 = m.float.Clone()
	if _, err = passes.Run(m.float, passes.Level(2), passes.Options{}); err != nil {
		return m, err
	}
	whole := m.int8.Clone()
	if err = quantizeRange(m.int8); err != nil {
		return m, err
	}
	path, err := r.write(m.int8, n.name+"-int8.onnx", onnx.Backend{Batch: 1})
	if m.paths = []string{path}; err != nil || r.python == "" {
		return m, err
	}
	plain, err := r.write(whole, n.name+"-float.onnx", onnx.Backend{Batch: 1})
	if err != nil {
		return m, err
	}
	input, theirs := filepath.Join(r.dir, n.name+".f32"), filepath.Join(r.dir, n.name+"-qdq.onnx")
	raw, err := binary.Append(nil, binary.LittleEndian, noise(whole, 1).Data)
	if err = errors.Join(err, os.WriteFile(input, raw, 0o666)); err != nil {
		return m, err
	}
	if msg, err := exec.Command(r.python, "-c", int8Program, plain, input, theirs).CombinedOutput(); err != nil {
		return m, fmt.Errorf("%s -c int8.py: %v: %s", r.python, err, msg)
	}
	m.paths = append(m.paths, theirs)
	return m, nil
}

// quantizeRange quantizes a network by the least and the greatest elements of its values for an input
// of noise, as incc quantize does: all layers but the first and the last.
func quantizeRange(g *ir.Graph) error {
	var p passes.Pipeline
	for _, s := range passes.Level(2) {
		if s.Pass != &passes.MergeSiblings { // layers that are merged would share a scale
			p = append(p, s)
		}
	}
	if _, err := passes.Run(g, p, passes.Options{}); err != nil {
		return err
	}
	layers := quantize.Layers(g)
	layers = layers[1 : len(layers)-1]
	points := quantize.Points(g, layers)
	h := g.Clone()
	h.Outputs = nil
	var outs [][]float32
	for _, q := range points {
		v := h.Value(q.Value.Name)
		h.Outputs = append(h.Outputs, v)
		outs = append(outs, make([]float32, v.Type.Shape.Bind(1).Size()))
	}
	prog, err := cpu.Compile(h, cpu.Options{})
	if err != nil {
		return err
	}
	if err := prog.NewSession().Run([][]float32{noise(g, 1).Data}, outs); err != nil {
		return err
	}
	ranges := make([]quantize.Range, len(points))
	for i, q := range points {
		x := &ranges[q.Group]
		for _, v := range outs[i] {
			x.Low, x.High = math.Min(x.Low, float64(v)), math.Max(x.High, float64(v))
		}
	}
	return quantize.Apply(g, layers, points, ranges, quantize.Options{})
}

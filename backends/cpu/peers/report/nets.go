package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
)

type weights map[string]*tensor.F32

// net is a network that is measured: a built-in spec or a variant of it.
type net struct{ name, text string }

var heads = regexp.MustCompile(`\s*->\s*head [^{]*\{[^}]*\}`)

// spec returns a built-in network without its auxiliary classifiers. replace holds pairs of
// texts, old and new; it is an error if an old text does not occur.
func spec(name string, replace ...string) (net, error) {
	text, _, ok := specs.Source(name)
	if !ok {
		return net{}, fmt.Errorf("unknown network %q", name)
	}
	s := heads.ReplaceAllString(string(text), "")
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(s, replace[i]) {
			return net{}, fmt.Errorf("spec %s does not contain %q", name, replace[i])
		}
		s = strings.ReplaceAll(s, replace[i], replace[i+1])
	}
	return net{name, s}, nil
}

func (n net) build() (*ir.Graph, error) {
	g, problems := dsl.Load(n.name+".incc", []byte(n.text), dsl.Options{})
	if err := problems.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	return g, nil
}

// noise is a batch of inputs in -1..1.
func noise(g *ir.Graph, batch int) *tensor.F32 {
	in := g.Inputs[0]
	return ir.Draw("input/"+in.Name, in.Type.Shape.Bind(batch), ir.Init{Kind: ir.InitUniform, A: 1}, 1)
}

var large = regexp.MustCompile(`(?m)^input image 3x(\d{3,})x\d{3,}`)

// small returns the network with a smaller input, for which the reference interpreter needs
// only seconds to scale the weights. They are the same where the network averages over all
// pixels before its dense layer.
func (n net) small() net {
	return net{n.name, large.ReplaceAllStringFunc(n.text, func(line string) string {
		if strings.HasSuffix(line, "299") {
			return "input image 3x171x171" // 4x4 pixels are left of it before the last pool
		}
		return "input image 3x96x96"
	})}
}

// graph builds a network, gives it weights and runs passes.
func (r *report) graph(n net, pipeline string) (*ir.Graph, error) {
	g, err := r.weighted(n)
	if err != nil {
		return nil, err
	}
	p, err := passes.Parse(pipeline)
	if err != nil {
		return nil, err
	}
	_, err = passes.Run(g, p, passes.Options{})
	return g, err
}

// weighted builds a network and gives it weights.
func (r *report) weighted(n net) (*ir.Graph, error) {
	g, err := n.build()
	if err != nil {
		return nil, err
	}
	small := n.small()
	h, err := small.build()
	if err != nil {
		return nil, err
	}
	if !sameShapes(g, h) {
		small = n
	}
	w := r.weights[small.text]
	if w == nil {
		if h, err = small.build(); err != nil {
			return nil, err
		}
		if _, err := ref.Condition(h, tensor.Widen(noise(h, 1)), 1); err != nil {
			return nil, err
		}
		w = h.Data
		r.weights[small.text] = w
	}
	for _, v := range g.Params {
		d := w[v.Name]
		if d == nil || !ir.Shape(d.Shape).Equal(v.Type.Shape) {
			return nil, fmt.Errorf("%s: %s has no weights of %v", n.name, v.Name, v.Type.Shape)
		}
		g.Data[v.Name] = d
	}
	return g, nil
}

// sameShapes says whether two networks have the same parameters.
func sameShapes(g, h *ir.Graph) bool {
	return slices.EqualFunc(g.Params, h.Params, func(a, b *ir.Value) bool {
		return a.Name == b.Name && a.Type.Shape.Equal(b.Type.Shape)
	})
}

// checkActivations returns an error if the outputs of a network's parts, softmax left out,
// have faded or grown: a standard deviation on noise that is not within 0.1 and 10.
func (r *report) checkActivations(n net) error {
	g, err := r.graph(n, "O0")
	if err != nil {
		return err
	}
	p, err := cpu.Compile(g, cpu.Options{KeepParts: true})
	if err != nil {
		return err
	}
	s := p.NewSession()
	out := make([]float32, g.Outputs[0].Type.Shape.Size())
	if err := s.Run([][]float32{noise(g, 1).Data}, [][]float32{out}); err != nil {
		return err
	}
	for _, part := range g.Parts {
		x := s.Part(part.Name, 1)
		if x == nil || part.Out == g.Outputs[0] {
			continue
		}
		var sum, squares float64
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		k := float64(len(x))
		std := math.Sqrt(squares/k - sum*sum/(k*k))
		if !(std >= 0.1 && std <= 10) {
			return fmt.Errorf("activations of %s have a standard deviation of %.3g (want 0.1 to 10): nothing is timed", part.Name, std)
		}
	}
	return nil
}

// model writes a network as ONNX, once, and returns the file's path and the graph.
func (r *report) model(n net, pipeline string, batch int) (string, *ir.Graph, error) {
	g, err := r.graph(n, pipeline)
	if err != nil {
		return "", nil, err
	}
	path, err := r.write(g, fmt.Sprintf("%s-%d-%s-%x.onnx", n.name, batch, pipeline, len(n.text)), onnx.Backend{Batch: batch})
	return path, g, err
}

// write writes a graph as one ONNX file of that name.
func (r *report) write(g *ir.Graph, name string, b onnx.Backend) (string, error) {
	b.Path = filepath.Join(r.dir, strings.NewReplacer("/", "-", " ", "-").Replace(name))
	files, err := b.Emit(g)
	if err != nil {
		return "", err
	}
	var buf bytes.Buffer
	if _, err := files[0].WriteTo(&buf); err != nil {
		return "", err
	}
	return b.Path, os.WriteFile(b.Path, buf.Bytes(), 0o666)
}

package view

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/draw"
)

// TestPlan: the steps of every layer with multiplications are found in its box and line, and
// the memory in use is what a count of bytes finds.
func TestPlan(t *testing.T) {
	for _, name := range []string{"googlenet", "inception_resnet_v2", "mnist/inception_v1", "densenet121"} {
		g := must(t, &editable{text: builtin(t, name)})
		e := engine()
		p, err := e.Plan(g, "v", false)
		if err != nil {
			t.Fatal(err)
		}
		d, err := draw.New(g, draw.Options{NoHeads: true})
		if err != nil {
			t.Fatal(err)
		}
		boxes := map[string]draw.Box{}
		for _, b := range d.Boxes() {
			boxes[b.Path] = b
		}
		covered := map[string]bool{}
		for _, s := range p.Steps {
			if s.MACs > 0 && (len(s.Paths) == 0 || len(s.Lines) == 0) {
				t.Errorf("%s: step %s has boxes %v and lines %v", name, s.Name, s.Paths, s.Lines)
			}
			for _, path := range s.Paths {
				if _, ok := boxes[path]; !ok {
					t.Errorf("%s: step %s: the drawing has no box %s", name, s.Name, path)
				}
				covered[path] = true
			}
			if s.Measured != 0 || s.Predicted < 0 {
				t.Errorf("%s: step %s takes %g, measured %g", name, s.Name, s.Predicted, s.Measured)
			}
		}
		for path, b := range boxes {
			if b.Kind == "conv" && !covered[path] {
				t.Errorf("%s: no step computes %s", name, path)
			}
		}
		if len(p.Live) != p.Phases || slices.Max(p.Live) > p.Arena || slices.Max(p.Live) == 0 {
			t.Errorf("%s: %d phases, %d bytes of %d", name, p.Phases, slices.Max(p.Live), p.Arena)
		}
	}
}

// TestStageTimes: the time after all passes is that of the plan; folding and fusing make a
// network faster.
func TestStageTimes(t *testing.T) {
	text := &editable{text: builtin(t, "googlenet_bn")}
	e := engine()
	c := &cache{src: Source{Text: text.get, Load: load}}
	m, err := c.shown()
	if err != nil {
		t.Fatal(err)
	}
	stages, err := m.run()
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Plan(m.graph, "v", false)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, s := range p.Steps {
		want += s.Predicted
	}
	times := e.StageTimes(stages)
	first, last := float64(times[0]), float64(times[len(times)-1])
	if len(times) != len(stages) || math.Abs(last-want) > 1e-9 || first <= last {
		t.Errorf("times %v, want %g at the end", times, want)
	}
}

// TestStageDrawings: what passes compute from weights has no boxes, so that drawings get no
// larger, and its parameters stand in the layers that read it.
func TestStageDrawings(t *testing.T) {
	for _, name := range []string{"googlenet_bn", "mobilenet_v1", "densenet121"} {
		text := &editable{text: builtin(t, name)}
		c := &cache{src: Source{Text: text.get, Load: load}}
		first := 0
		n, err := c.network(View{})
		if err != nil {
			t.Fatal(err)
		}
		for i, st := range n.Stages {
			n, err := c.network(View{Stage: i})
			if err != nil || n.Error != "" {
				t.Fatal(err, n.Error)
			}
			params := int64(0)
			for _, b := range n.Boxes {
				if b.Kind != "frame" {
					params += b.Params
				}
			}
			if i == 0 {
				first = len(n.Boxes)
			}
			if float64(len(n.Boxes)) > 1.2*float64(first) || params != st.Params {
				t.Errorf("%s after %s: %d boxes, at first %d; %d parameters, want %d", name, st.Pass, len(n.Boxes), first, params, st.Params)
			}
		}
	}
}

// TestLive counts bytes of overlapping buffers one by one.
func TestLive(t *testing.T) {
	buffers := []PlanBuffer{{"a", 0, 8, 0, 2}, {"b", 4, 8, 1, 1}, {"c", 20, 4, 1, 3}, {"d", 20, 2, 3, 3}, {"e", 0, 24, 4, 4}}
	for phase, got := range live(buffers, 6) {
		used := map[int64]bool{}
		for _, b := range buffers {
			for i := range b.Bytes {
				if b.First <= phase && phase <= b.Last {
					used[b.Offset+i] = true
				}
			}
		}
		if got != int64(len(used)) {
			t.Errorf("phase %d: %d bytes, want %d", phase, got, len(used))
		}
	}
}

// TestMeasuredPlan keeps a measurement until the text or the weights change.
func TestMeasuredPlan(t *testing.T) {
	g := must(t, &editable{text: builtin(t, "mnist/inception_v1")})
	e := engine()
	stamp := "1"
	e.Stamp = func() string { return stamp }
	p, err := e.Plan(g, "a", true)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Measured || p.Threads < 1 || p.Peak <= 0 || p.ISA == "" {
		t.Errorf("measured %+v", p)
	}
	for _, s := range p.Steps {
		if s.Measured <= 0 || s.Share < 0 || s.MACs > 0 && s.Share == 0 {
			t.Errorf("step %s: %g s, %g of the peak", s.Name, s.Measured, s.Share)
		}
	}
	ask := func(version string) bool {
		t.Helper()
		p, err := e.Plan(g, version, false)
		if err != nil {
			t.Fatal(err)
		}
		return p.Measured
	}
	if !ask("a") || ask("b") {
		t.Error("a measurement is not that of its text")
	}
	if _, err := e.Plan(g, "b", true); err != nil {
		t.Fatal(err)
	}
	if stamp = "2"; ask("b") {
		t.Error("a measurement of other weights")
	}
	if _, err := e.Plan(must(t, &editable{text: strings.Replace(builtin(t, "mnist/inception_v1"), "c2:", "c3:", 1)}), "c", false); err != nil {
		t.Error(err)
	}
}

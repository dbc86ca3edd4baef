// Package view serves a page about networks and runs: the drawing of a network beside its
// text, what each pass makes of it, its schedule with times and memory, the classes of pictures
// that are dropped on it, and the curves of runs, also while they go on. Nothing is fetched
// from elsewhere, and the page changes nothing on disk.
package view

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/incc-lang/incc/backends/draw"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/passes"
)

// Source is what the page shows. Its functions are called from several goroutines.
type Source struct {
	Title string
	// Text returns the text of the spec now, nil for a network without a text. Text itself
	// is nil if there are only runs.
	Text func() ([]byte, error)
	// Load builds the network of a text.
	Load func(text []byte) (*ir.Graph, diag.List)
	// Runs returns the runs now; nil if there are none.
	Runs func() ([]Run, error)
	// Details returns what the files of a run show besides its curves.
	Details func(run int) (*Details, error)
	// Mistakes evaluates a run on its data set.
	Mistakes func(ctx context.Context, run int) (*Mistakes, error)
	// Engine runs the network; nil if there are only runs.
	Engine *Engine
}

// Run is a training.
type Run struct {
	Name    string             `json:"name"`
	State   string             `json:"state"`             // running, finished, stopped or killed
	Resumed []int              `json:"resumed,omitempty"` // the epochs after which it was resumed
	Best    int                `json:"best"`              // epoch, 0 if unknown
	Facts   [][2]string        `json:"facts"`             // name and value
	Rows    []map[string]Value `json:"rows"`              // by the names of results.csv
}

// Details is what the files of a run show besides its curves.
type Details struct {
	Confusion []byte   `json:"confusion,omitempty"` // the confusion matrix as PNG
	Filters   *Filters `json:"filters,omitempty"`   // of the first convolution
}

// Filters are the weights of a convolution as pictures: each from its smallest to its largest
// weight.
type Filters struct {
	Name     string `json:"name"`
	Shape    string `json:"shape"`
	Count    int    `json:"count"`    // of all filters; Data may have fewer
	Channels int    `json:"channels"` // 3 for red, green and blue, else 1
	W        int    `json:"w"`
	H        int    `json:"h"`
	Data     []byte `json:"data"` // Channels bytes for each weight
}

// Mistakes is what an evaluation of a run finds.
type Mistakes struct {
	Facts [][2]string `json:"facts"`
	Sheet []byte      `json:"sheet"` // PNG of the images that were classified wrong
}

// Value is a number; NaN and infinities are null in JSON.
type Value float64

// MarshalJSON writes a number or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if v != v || v-v != 0 {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%g", float64(v)), nil
}

// Network is what the page shows of a network.
type Network struct {
	Version  string      `json:"version"` // changes with the text
	Name     string      `json:"name"`
	Text     string      `json:"text"`
	Problems []Problem   `json:"problems"`
	SVG      string      `json:"svg"`
	Boxes    []draw.Box  `json:"boxes"`
	Totals   [][2]string `json:"totals"`
	Stages   []Stage     `json:"stages"`
	Error    string      `json:"error,omitempty"` // why there is no drawing
}

// Problem is an error or warning of the text. Line and columns count from 1, in bytes.
type Problem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Warning bool   `json:"warning"`
	Code    string `json:"code"`
	Text    string `json:"text"`
}

// Stage is the network after a pass; the first one is the network as written.
type Stage struct {
	Pass    string   `json:"pass"`
	What    string   `json:"what"`
	Skipped string   `json:"skipped,omitempty"`
	Changes int      `json:"changes"`
	Nodes   int      `json:"nodes"`
	Convs   int      `json:"convs"`
	Params  int64    `json:"params"`
	MACs    int64    `json:"macs"`
	Reasons []string `json:"reasons"`
	Gone    []string `json:"gone"` // layers that the pass removed

	graph *ir.Graph
}

// View is how a network is drawn.
type View struct {
	Right    bool
	Collapse int
	Colour   draw.Colour
	NoHeads  bool
	Stage    int
}

// model is a text with what follows from it.
type model struct {
	version  string
	text     []byte
	problems diag.List
	graph    *ir.Graph

	once   sync.Once
	stages []Stage
	err    error
}

// cache keeps the model of the last text.
type cache struct {
	src  Source
	mu   sync.Mutex
	last *model
	good *model // the last one without errors
}

// now returns the model of the text as it is.
func (c *cache) now() (*model, error) {
	text, err := c.src.Text()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	version := hex.EncodeToString(sum[:8])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.last.version == version {
		return c.last, nil
	}
	m := &model{version: version, text: text}
	m.graph, m.problems = c.src.Load(text)
	c.last = m
	if m.graph != nil {
		c.good = m
	}
	return m, nil
}

// drawable returns a model with a graph: m, or the last one that had no errors.
func (c *cache) drawable(m *model) *model {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.graph != nil {
		return m
	}
	return c.good
}

const level = "O2"

// run runs the passes and keeps the network after each.
func (m *model) run() ([]Stage, error) {
	m.once.Do(func() {
		g := m.graph.Clone()
		m.stages = []Stage{stageOf("", "the network as written", g.Clone())}
		pipeline, err := passes.Parse(level)
		if err != nil {
			m.err = err
			return
		}
		var after []*ir.Graph
		rep, err := passes.Run(g, pipeline, passes.Options{After: func(_ passes.Step, g *ir.Graph) error {
			after = append(after, g.Clone())
			return nil
		}})
		if err != nil {
			m.err = err
			return
		}
		for i, s := range rep.Steps {
			st := stageOf(s.Step.String(), s.Step.Pass.Doc, after[i])
			st.Skipped, st.Changes = s.Skipped, s.Changed
			for _, d := range s.Decisions {
				st.Reasons = append(st.Reasons, d.String())
			}
			st.Gone = gone(m.stages[i].graph, after[i])
			m.stages = append(m.stages, st)
		}
	})
	return m.stages, m.err
}

func stageOf(pass, what string, g *ir.Graph) Stage {
	s := ir.Summarize(g)
	st := Stage{Pass: pass, What: what, Nodes: len(g.Nodes), Params: s.Params + s.HeadParams, MACs: s.MACs + s.HeadMACs, Reasons: []string{}, Gone: []string{}, graph: g}
	for _, n := range g.Nodes {
		if ir.Name(n.Op) == "conv" {
			st.Convs++
		}
	}
	return st
}

// gone lists the values of a graph that another does not have.
func gone(before, after *ir.Graph) []string {
	have := map[string]bool{}
	for _, n := range after.Nodes {
		for _, v := range n.Out {
			have[v.Name] = true
		}
	}
	list := []string{}
	for _, n := range before.Nodes {
		if !have[n.Out[0].Name] {
			list = append(list, n.Out[0].Name)
		}
	}
	return list
}

// network describes the text as it is now, and draws the last one without errors.
func (c *cache) network(v View) (*Network, error) {
	m, err := c.now()
	if err != nil {
		return nil, err
	}
	n := &Network{Version: m.version, Name: c.src.Title, Text: string(m.text), Problems: []Problem{}, Boxes: []draw.Box{}, Totals: [][2]string{}, Stages: []Stage{}}
	for _, p := range m.problems {
		text := p.Summary
		for _, h := range p.Help {
			text += "\n" + h
		}
		n.Problems = append(n.Problems, Problem{p.Span.Line, p.Span.Col, p.Severity == diag.Warning, p.Code, text})
	}
	shown := c.drawable(m)
	if shown == nil {
		n.Error = "the text has errors"
		return n, nil
	}
	stages, err := shown.run()
	if err != nil {
		n.Error = "passes: " + err.Error()
	}
	n.Stages = stages
	i := min(max(v.Stage, 0), len(stages)-1)
	g := stages[i].graph
	o := draw.Options{Right: v.Right, Collapse: v.Collapse, Colour: v.Colour, NoHeads: v.NoHeads}
	if i > 0 {
		before := map[string]bool{}
		for _, b := range stages[i-1].graph.Nodes {
			before[b.Out[0].Name] = true
		}
		o.Mark = func(name string) bool { return !before[name] }
	}
	d, err := draw.New(g, o)
	if err != nil {
		n.Error = err.Error()
		return n, nil
	}
	var b bytes.Buffer
	if err := d.InlineSVG(&b); err != nil {
		return nil, err
	}
	n.SVG, n.Boxes = b.String(), d.Boxes()
	s := ir.Summarize(g)
	n.Totals = [][2]string{{"layers", fmt.Sprint(len(g.Nodes))}, {"parameters", diag.Thousands(s.Params)}, {"MACs", diag.Thousands(s.MACs)}, {"receptive field", s.RF.String()}}
	if s.HeadParams > 0 {
		n.Totals = append(n.Totals, [2]string{"parameters with heads", diag.Thousands(s.Params + s.HeadParams)})
	}
	return n, nil
}

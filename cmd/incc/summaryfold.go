package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// summaryRow is a part, a block or a layer of a network, with all that is inside it.
type summaryRow struct {
	Name   string
	Op     string // of the layer that gives the row its name
	Out    ir.Type
	Layers int // nodes of the graph
	Depth  int // layers with weights that follow each other
	Params int64
	MACs   int64
	RF     ir.HW // of an element of the output, in pixels of the network's input
	Field  ir.HW // of an element of the output, in elements of the row's own input
	Head   bool  // only auxiliary classifiers need it
	Block  bool  // whether the row is a part or a block, not one layer
	nodes  []*ir.Node
	named  *ir.Node // the node that is called like the row, if there is one
}

// op is what the column op shows.
func (r *summaryRow) op() string {
	if r.Block {
		return diag.Count(r.Layers, "layer")
	}
	return r.Op
}

// hasWeights reports whether a node is a convolution or a dense layer.
func hasWeights(n *ir.Node) bool {
	name := ir.Name(n.Op)
	return name == "conv" || name == "dense"
}

// foldSummary folds the layers of a network into rows. Depth 0 makes a row of each part;
// depth 1 a row of each block and layer of a part, as the tables of papers do; and so on.
// Normalizations and activations belong to the layer before them.
func foldSummary(g *ir.Graph, s ir.Summary, depth int) []*summaryRow {
	type key struct {
		name string
		head bool
	}
	weighted := map[string]bool{}
	for _, n := range g.Nodes {
		weighted[n.Out[0].Name] = hasWeights(n)
	}
	var rows []*summaryRow
	index := map[key]*summaryRow{}
	for i, n := range g.Nodes {
		l := &s.Layers[i]
		k := key{rowName(l, weighted, depth), l.Head}
		r := index[k]
		if r == nil {
			r = &summaryRow{Name: k.name, Head: l.Head}
			index[k] = r
			rows = append(rows, r)
		}
		if l.Name == k.name {
			r.Op, r.named = l.Op, n
		}
		r.Out, r.RF = l.Out, l.RF
		r.Layers++
		r.Params += l.Params
		r.MACs += l.Cost.MACs
		r.nodes = append(r.nodes, n)
	}
	for _, r := range rows {
		r.Depth, r.Field = within(r.nodes)
		r.Block = r.Op == "" || r.Depth > 0 && !hasWeights(r.named)
	}
	return rows
}

// rowName is the name of the row that a layer is in: its part and as many of the names
// behind that as depth says. weighted has the names of convolutions and dense layers.
func rowName(l *ir.Layer, weighted map[string]bool, depth int) string {
	name := l.Name
	if i := strings.LastIndex(name, "/"); i > 0 && weighted[name[:i]] {
		name = name[:i] // conv_3x3/relu belongs to conv_3x3
	}
	rest, inPart := strings.CutPrefix(name, l.Part+"/")
	if inPart = inPart && l.Part != ""; inPart && depth == 0 {
		return l.Part
	}
	if !inPart {
		rest = name
	}
	names := strings.Split(rest, "/")
	row := strings.Join(names[:min(len(names), max(1, depth))], "/")
	if inPart {
		row = l.Part + "/" + row
	}
	return row
}

// within returns the largest number of layers with weights on a path through some nodes,
// and the receptive field of the last of them in elements of what the nodes read.
func within(nodes []*ir.Node) (depth int, field ir.HW) {
	type state struct {
		depth    int
		rf, jump ir.HW
	}
	states := map[*ir.Value]state{}
	for _, n := range nodes {
		at := state{0, ir.HW{1, 1}, ir.HW{1, 1}}
		in := make([]ir.Type, len(n.In))
		for i, v := range n.In {
			in[i] = v.Type.Bind(1)
			if x, ok := states[v]; ok {
				at.depth = max(at.depth, x.depth)
				for a := range 2 {
					at.rf[a], at.jump[a] = max(at.rf[a], x.rf[a]), max(at.jump[a], x.jump[a])
				}
			}
		}
		if hasWeights(n) {
			at.depth++
		}
		if w, ok := n.Op.(ir.Windower); ok {
			k, stride, dilation := w.Window(in)
			for a := range 2 {
				at.rf[a] += (k[a] - 1) * dilation[a] * at.jump[a]
				at.jump[a] *= stride[a]
			}
		}
		for _, v := range n.Out {
			states[v] = at
		}
		depth, field = max(depth, at.depth), at.rf
	}
	return depth, field
}

// writeFolded prints the table of rows.
func writeFolded(w io.Writer, g *ir.Graph, s ir.Summary, rows []*summaryRow) error {
	sayf(w, "%s: %s\n", g.Name, inputText(g))
	t := newTable("row", "op", "output", ">depth", ">params", ">MACs", ">RF, own", ">RF, in all")
	for _, r := range rows {
		name, depth := r.Name, ""
		if r.Head {
			name += " *"
		}
		if r.Depth > 0 {
			depth = fmt.Sprint(r.Depth)
		}
		t.Add(name, r.op(), r.Out.Shape.WithoutBatch().String(), depth, countText(r.Params), countText(r.MACs), r.Field.Short(), r.RF.Short())
	}
	t.Rule()
	t.Add("total", "", "", fmt.Sprint(depthOf(g, s)), diag.Thousands(s.Params), diag.Thousands(s.MACs), "", s.RF.Short())
	if s.HeadParams > 0 {
		t.Add("with heads", "", "", "", diag.Thousands(s.Params+s.HeadParams), diag.Thousands(s.MACs+s.HeadMACs), "", "")
	}
	t.write(w)
	return writeField(w, g, s)
}

// depthOf is the number of layers with weights that follow each other, without heads.
func depthOf(g *ir.Graph, s ir.Summary) int {
	var nodes []*ir.Node
	for i, n := range g.Nodes {
		if !s.Layers[i].Head {
			nodes = append(nodes, n)
		}
	}
	depth, _ := within(nodes)
	return depth
}

// writeField says what the receptive field of the whole network is.
func writeField(w io.Writer, g *ir.Graph, s ir.Summary) error {
	name := ""
	for i, n := range g.Nodes {
		sh := n.Out[0].Type.Shape
		if !s.Layers[i].Head && len(sh) == 4 && sh[2]*sh[3] > 1 {
			name = s.Layers[i].Name
		}
	}
	fmt.Fprintln(w)
	if name == "" {
		return nil
	}
	return say(w, fmt.Sprintf("The network has a receptive field of %s pixels, at %s, its last map larger than 1x1.", s.RF.Short(), name))
}

type foldedJSON struct {
	summaryJSON
	Depth int       `json:"depth"`
	Rows  []rowJSON `json:"rows"`
}

type rowJSON struct {
	Name           string   `json:"name"`
	Op             string   `json:"op"`
	Output         ir.Shape `json:"output"` // without the batch
	Layers         int      `json:"layers"`
	Depth          int      `json:"depth"`
	Params         int64    `json:"params"`
	MACs           int64    `json:"macs"`
	OwnField       [2]int   `json:"own_receptive_field"`
	ReceptiveField [2]int   `json:"receptive_field"`
	Head           bool     `json:"head,omitempty"`
}

func writeFoldedJSON(w io.Writer, g *ir.Graph, s ir.Summary, rows []*summaryRow) error {
	j := foldedJSON{summaryJSON: summarize(g, s), Depth: depthOf(g, s)}
	j.Layers = nil // the rows are in their place
	for _, r := range rows {
		j.Rows = append(j.Rows, jsonOfRow(r))
	}
	return writeJSON(w, j)
}

func jsonOfRow(r *summaryRow) rowJSON {
	return rowJSON{Name: r.Name, Op: r.op(), Output: r.Out.Shape.WithoutBatch(), Layers: r.Layers, Depth: r.Depth,
		Params: r.Params, MACs: r.MACs, OwnField: r.Field, ReceptiveField: r.RF, Head: r.Head}
}

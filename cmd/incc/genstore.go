package main

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
)

// storedTypes are the types of --weights-as in a file of weights.
var storedTypes = map[string]safetensors.DType{"fp32": safetensors.F32, "fp16": safetensors.F16, "bf16": safetensors.BF16, "int8": safetensors.I8}

// storageLoss is what the type in which a weight is stored costs.
type storageLoss struct {
	name           string
	square, errors float64 // sums of the squares of the weights, and of what rounding changed
	saved          int64   // bytes
}

// materialize draws the weights that have no values, and rounds those of convolutions and dense
// layers to the type in which they are stored: the package computes with what it reads.
func (n *network) materialize(g *ir.Graph) error {
	ir.Materialize(g, n.seed)
	d := storedTypes[n.as]
	if n.narrow != nil || d == safetensors.F32 {
		return nil
	}
	n.narrow, n.lost = map[string]*safetensors.Narrowed{}, map[string]storageLoss{}
	whole := wholeWeights(g)
	for _, v := range g.Params {
		if v.Param.Kind != ir.Weight || len(v.Type.Shape) < 2 || whole[v.Name] != nil {
			continue
		}
		x := g.Data[v.Name]
		w, err := safetensors.NarrowTo(d, x.Data, x.Shape[0])
		if err != nil {
			hint := ""
			if errors.Is(err, safetensors.ErrTooLarge) {
				hint = "; use bf16 or int8"
			}
			return fmt.Errorf("--weights-as=%s: weight %s: %w%s", n.as, diag.Quote(v.Name), err, hint)
		}
		l := storageLoss{name: v.Name, saved: 4*int64(len(x.Data)) - int64(len(w.Bytes)+4*len(w.Scales))}
		for i, y := range x.Data {
			e := float64(w.Wide[i]) - float64(y)
			l.square += float64(y) * float64(y)
			l.errors += e * e
		}
		n.lost[v.Name], n.narrow[v.Name] = l, w
		rounded := x.Clone() // another graph may share the array
		rounded.Data, w.Wide = w.Wide, nil
		g.Data[v.Name] = rounded
	}
	return nil
}

// wholeWeights returns the weights of a quantized network as whole numbers with their scales. A file
// holds them so; nothing is lost.
func wholeWeights(g *ir.Graph) map[string]*safetensors.Narrowed {
	m := map[string]*safetensors.Narrowed{}
	for _, n := range g.Nodes {
		w, scale, ok := ops.QuantizedWeight(n.Out[0])
		if !ok || g.Data[w.Name] == nil || g.Data[scale.Name] == nil {
			continue
		}
		x, s := g.Data[w.Name].Data, g.Data[scale.Name].Data
		row, same := len(x)/len(s), true
		b := make([]byte, len(x))
		for i, v := range x {
			q := n.Op.(ops.Quantize).Whole(v, s[i/row])
			b[i] = byte(q)
			same = same && float32(q)*s[i/row] == v
		}
		if same {
			m[w.Name] = &safetensors.Narrowed{Bytes: b, Scales: s}
		}
	}
	return m
}

// sayLosses says what the type of the stored weights saves and costs.
func sayLosses(w io.Writer, as string, losses []storageLoss) error {
	var all storageLoss
	worst, most := "", -1.0
	for _, l := range losses {
		all.square, all.errors, all.saved = all.square+l.square, all.errors+l.errors, all.saved+l.saved
		if r := l.relative(); r > most {
			worst, most = l.name, r
		}
	}
	if len(losses) == 0 {
		return nil
	}
	return say(w, fmt.Sprintf("weights as %s: %s less than as float32; the error is %.2g %% of the weights (root mean square), at most %.2g %% in one layer (%s)",
		as, bytesText(all.saved), 100*all.relative(), 100*most, worst))
}

// relative is the root mean square of the errors as a part of that of the weights.
func (l storageLoss) relative() float64 {
	if l.square == 0 {
		return 0
	}
	return math.Sqrt(l.errors / l.square)
}

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// This file draws figure 1 of Goodfellow 2013: maxout units with one input and k pieces,
// fitted to convex functions on -1..1. The least possible largest error of a maximum of
// k affine functions on x² is 1/(2k²) there, with the pieces on k equal intervals.

// convex is a convex function that a unit is fitted to.
type convex struct {
	name string
	at   func(x float64) float64
}

var (
	square    = convex{"x²", func(x float64) float64 { return x * x }}
	absolute  = convex{"|x|", math.Abs}
	rectifier = convex{"max(0, x)", func(x float64) float64 { return math.Max(0, x) }}
)

// unit is a maxout unit, built from a spec, with the gradients of the mean square of
// its error.
type unit struct {
	g             *ir.Graph
	out           *ir.Value
	weights       []*ir.Value
	grads         map[*ir.Value]*ir.Value
	x, want       *tensor.Tensor
	mean, squares map[*ir.Value][]float64 // the moments of Adam, for each weight
}

const unitPoints = 201

func newUnit(pieces int, f convex) (*unit, error) {
	text := fmt.Sprintf("net unit\ninput x 1\nfc 1 maxout=%d\n", pieces)
	if pieces == 1 {
		text = "net unit\ninput x 1\nfc 1\n"
	}
	g, problems := dsl.Load("unit.incc", []byte(text), dsl.Options{})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	u := &unit{g: g, mean: map[*ir.Value][]float64{}, squares: map[*ir.Value][]float64{}}
	u.x, u.want = tensor.New(unitPoints, 1), tensor.New(unitPoints, 1)
	for i := range u.x.Data {
		u.x.Data[i] = 2*float64(i)/(unitPoints-1) - 1
		u.want.Data[i] = f.at(u.x.Data[i])
	}
	u.out = g.Outputs[0]
	for _, p := range g.Params {
		u.weights = append(u.weights, p)
		d := tensor.Make[float32](p.Type.Shape)
		if len(d.Data) != pieces {
			return nil, fmt.Errorf("%s has shape %v, want one number for each piece", p.Name, p.Type.Shape)
		}
		for i := range d.Data {
			x := (2*float64(i)+1)/float64(pieces) - 1
			slope := (f.at(x+1e-6) - f.at(x-1e-6)) / 2e-6
			// A convex function is the supremum of its tangents, so the unit begins
			// with k tangents. The bias has one axis, the weight has two.
			d.Data[i] = float32(slope)
			if len(p.Type.Shape) == 1 {
				d.Data[i] = float32(f.at(x) - slope*x)
			}
		}
		g.Data[p.Name] = d
	}
	r := ir.Rewrite(g, "figure")
	d := r.Do(ops.Sub{}, u.out, r.Input("want", u.out.Type))
	loss := r.Do(ops.Reduce{Kind: ops.ReduceMean}, r.Do(ops.Mul{}, d, d))
	var err error
	if u.grads, err = autodiff.Gradients(r.Builder, loss, u.weights); err != nil {
		return nil, err
	}
	for _, w := range u.weights {
		g.Outputs = append(g.Outputs, u.grads[w])
	}
	return u, r.Finish()
}

// run evaluates the unit and its gradients at all points.
func (u *unit) run() (map[*ir.Value]*tensor.Tensor, error) {
	return ref.Run(u.g, []*tensor.Tensor{u.x, u.want}, ref.Options{Keep: append([]*ir.Value{u.out}, u.g.Outputs...)})
}

// fit trains the unit with Adam, with a learning rate that falls as a cosine. It returns
// the unit's values at all points and its largest error.
func (u *unit) fit(steps int) (y []float64, worst float64, err error) {
	for step := range steps {
		res, err := u.run()
		if err != nil {
			return nil, 0, err
		}
		rate := 0.02 * (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
		for _, w := range u.weights {
			g, data := res[u.grads[w]], u.g.Data[w.Name].Data
			if u.mean[w] == nil {
				u.mean[w], u.squares[w] = make([]float64, len(data)), make([]float64, len(data))
			}
			for i, d := range g.Data {
				m, s := &u.mean[w][i], &u.squares[w][i]
				*m += 0.1 * (d - *m)
				*s += 0.001 * (d*d - *s)
				t := float64(step + 1)
				data[i] -= float32(rate * *m / (1 - math.Pow(0.9, t)) / (math.Sqrt(*s/(1-math.Pow(0.999, t))) + 1e-8))
			}
		}
	}
	res, err := u.run()
	if err != nil {
		return nil, 0, err
	}
	for i, v := range res[u.out].Data {
		worst = math.Max(worst, math.Abs(v-u.want.Data[i]))
	}
	return res[u.out].Data, worst, nil
}

// fitSteps is enough: twice as many steps change the errors by less than a hundredth.
const fitSteps = 400

// line returns the values y of a function at the points as a curve.
func (u *unit) line(y []float64) []chart.Point {
	points := make([]chart.Point, len(y))
	for i := range y {
		points[i] = chart.Point{X: u.x.Data[i], Y: y[i]}
	}
	return points
}

// maxoutFigure fits units to convex functions, draws them and their errors into dir,
// and prints the errors.
func maxoutFigure(c *cli.Context, dir string) error {
	type fitted struct {
		Function string  `json:"function"`
		Pieces   int     `json:"pieces"`
		Error    float64 `json:"largest_error"`
	}
	var all []fitted
	fit := func(k int, f convex) (*unit, []float64, float64, error) {
		u, err := newUnit(k, f)
		if err != nil {
			return nil, nil, 0, err
		}
		y, worst, err := u.fit(fitSteps)
		all = append(all, fitted{f.name, k, worst})
		return u, y, worst, err
	}
	var exact, close, errors, bound []chart.Curve
	for i, f := range []convex{rectifier, absolute} {
		u, y, _, err := fit(2, f)
		if err != nil {
			return err
		}
		exact = append(exact, chart.Curve{Name: f.name + ", 2 pieces", Points: u.line(y), Colour: i, Marks: chart.None})
	}
	e := chart.Curve{Name: "maxout unit", Colour: 1}
	least := chart.Curve{Name: "least possible, 1/(2k²)", Colour: 0, Dash: chart.Dashed, Marks: chart.None}
	for i, k := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16} {
		u, y, worst, err := fit(k, square)
		if err != nil {
			return err
		}
		if i == 0 {
			close = append(close, chart.Curve{Name: "x²", Points: u.line(u.want.Data), Dash: chart.Dashed, Marks: chart.None})
		}
		if k <= 2 || k == 4 {
			close = append(close, chart.Curve{Name: fmt.Sprintf("k = %d", k), Points: u.line(y), Colour: len(close), Marks: chart.None})
		}
		e.Points = append(e.Points, chart.Point{X: float64(k), Y: worst})
		least.Points = append(least.Points, chart.Point{X: float64(k), Y: 1 / (2 * float64(k*k))})
	}
	errors, bound = []chart.Curve{e}, []chart.Curve{least}
	fits := func(title string, curves []chart.Curve) chart.Panel {
		return chart.Panel{Title: title, X: chart.Axis{Label: "x"}, Y: chart.Axis{Label: "unit"}, Curves: curves}
	}
	p1, p2 := fits("rectifier and absolute value", exact), fits("x² by k pieces", close)
	p3 := chart.Panel{Title: "largest error on x²", X: chart.Axis{Label: "pieces k", Ticks: []float64{1, 2, 4, 8, 12, 16}},
		Y: chart.Axis{Label: "error", Log: true, Min: chart.At(1e-3), Max: chart.At(1)}, Curves: append(errors, bound...)}
	curves := filepath.Join(dir, "curves")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := drawPanels(writeOwn, curves, p1, p2, p3); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, all)
	}
	t := newTable("function", ">pieces", ">largest error on -1..1", ">least possible")
	for _, f := range all {
		least := 0.0
		if f.Function == square.name {
			least = 1 / (2 * float64(f.Pieces*f.Pieces))
		}
		t.Add(f.Function, f.Pieces, fmt.Sprintf("%.4f", f.Error), fmt.Sprintf("%.4f", least))
	}
	t.write(c.App.Writer)
	return sayf(c.App.Writer, "wrote %s and %s", diag.Name(curves+".png"), diag.Name(curves+".svg"))
}

package passes

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// Contract is what a pass promises of the graph it leaves behind.
type Contract uint8

const (
	Exact     Contract = iota // the same bits
	Rounding                  // the same function, rounded otherwise
	Signature                 // the kept outputs have the same bits; inputs and outputs change as the pass says
	Redesign                  // another function of the same signature
)

func (c Contract) String() string {
	return [...]string{"exact", "rounding", "signature", "redesign"}[c]
}

// Constraint is a pass that must not stand behind another one, and why.
type Constraint struct {
	Pass string
	Why  string
}

// Arg is an argument that a pass takes in --passes: factorize=svd,mid=8.
type Arg struct {
	Name    string
	Doc     string
	Default string
}

// Pass is a rewrite of a graph.
type Pass struct {
	Name     string
	Doc      string // one sentence
	Ref      string // "Szegedy 2016, section 3.2"
	After    []Constraint
	Contract Contract
	// Inference marks what is no rewrite of a network that is still to be
	// trained: it takes the weights and statistics for final.
	Inference bool
	// Variants are the values of NAME=VARIANT, the first of them the default;
	// none where there is only one way.
	Variants []Arg
	Args     []Arg
	// Run rewrites. It is told its arguments by Options.Arg. It leaves nodes that
	// nothing reads any more; the manager sweeps them.
	Run func(r *ir.Rewriter, o Options) error
}

// Options of a run of passes.
type Options struct {
	// Cost prices what a pass considers; nil is the default model.
	Cost CostModel
	// KeepHeads keeps auxiliary classifiers.
	KeepHeads bool
	// Train says that the network will be trained: weights are not final, so the
	// passes marked Inference are left out and const-fold evaluates constants
	// alone.
	Train bool
	// After is called with the graph as each pass left it, for --dump-after. It
	// must not change the graph.
	After func(Step, *ir.Graph) error
	// Log is called with every decision as it is made.
	Log func(Decision)

	step Step
}

// Arg returns the value of an argument of the running pass: what was given, else
// the default, else "".
func (o Options) Arg(name string) string {
	if v, ok := o.step.Args[name]; ok {
		return v
	}
	if o.step.Pass != nil {
		for _, a := range o.step.Pass.Args {
			if a.Name == name {
				return a.Default
			}
		}
	}
	return ""
}

func (o Options) log(d Decision) {
	if o.Log != nil {
		o.Log(d)
	}
}

// Decision is what a pass did with one layer, or why it left it alone.
type Decision struct {
	Pass   string
	Layer  string
	Pos    diag.Pos
	Done   bool
	What   string   // "5x5 16 -> 32 becomes 5x1 16 -> 16, 1x5 16 -> 32"
	Why    string   // the reason, of what was done and of what was not
	Params [2]int64 // of the layer before and, if it were done, after; the same where it cannot be
	MACs   [2]int64
	Error  float64 // relative error of the layer's weights, where a pass approximates
}

func (d Decision) String() string {
	verb := "left"
	if d.Done {
		verb = "rewrote"
	}
	return fmt.Sprintf("%s: %s %s: %s: %s", d.Pass, verb, d.Layer, d.What, d.Why)
}

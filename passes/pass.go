package passes

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// Contract says what a pass keeps of the graph that it rewrites.
type Contract uint8

const (
	Exact     Contract = iota // the outputs have the same bits
	Rounding                  // the same function, up to rounding (see RoundingTolerance)
	Signature                 // inputs and outputs change as the pass says; remaining outputs have the same bits
	Redesign                  // another function with the same inputs and outputs
)

func (c Contract) String() string {
	return [...]string{"exact", "rounding", "signature", "redesign"}[c]
}

// Constraint, in Pass.After, names another pass after which a pass must run, and says why.
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
	// Inference says that the pass assumes final weights and statistics, so it must not
	// rewrite a network that will still be trained.
	Inference bool
	// Variants are the possible values of NAME=VARIANT. The first one is the default. It
	// is empty if the pass has no variants.
	Variants []Arg
	Args     []Arg
	// Run rewrites the graph. Options.Arg returns its arguments. It may leave nodes that
	// nothing reads any more; the function Run of this package removes them.
	Run func(r *ir.Rewriter, o Options) error
}

// Options of a run of passes.
type Options struct {
	// Cost is the cost model that passes use for decisions, nil for Work{}.
	Cost CostModel
	// KeepHeads keeps auxiliary classifiers.
	KeepHeads bool
	// Train says that the network will be trained, so its weights are not final. Passes
	// marked Inference are then skipped (an error if they were asked for by name), and
	// const-fold evaluates only constants.
	Train bool
	// After is called with the graph after each pass, for --dump-after. It must not
	// change the graph. If it returns an error, Run stops and returns it.
	After func(Step, *ir.Graph) error
	// Log is called with every decision when it is made.
	Log func(Decision)

	step Step
}

// Arg returns the value of an argument of the running pass: the given one, otherwise the
// default, otherwise "".
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

// Decision says what a pass did with one layer, or why it did not change it.
type Decision struct {
	Pass   string
	Layer  string
	Pos    diag.Pos
	Done   bool
	What   string   // "5x5 16 -> 32 becomes 5x1 16 -> 16, 1x5 16 -> 32"
	Why    string   // the reason for changing the layer or for not changing it
	Params [2]int64 // trained elements of the layer: before, and after the change; equal if the change is impossible
	MACs   [2]int64 // likewise, multiply-accumulates for one image
	Error  float64  // relative error of the layer's weights if the pass approximates them
}

func (d Decision) String() string {
	verb := "kept"
	if d.Done {
		verb = "rewrote"
	}
	return fmt.Sprintf("%s: %s %s: %s: %s", d.Pass, verb, d.Layer, d.What, d.Why)
}

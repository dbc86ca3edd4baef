package passes

// row is a pass and the lowest level that runs it; byName is none.
type row struct {
	pass  *Pass
	level int
}

const byName = 1 << 10

// table is every pass in the order in which they run. The reason of each place
// stands beside it; what must hold in any order, a user's own included, is a
// Constraint of the pass.
var table = []row{
	{&DropHeads, 0},      // first: nothing should be spent on what is thrown away
	{&DropDropout, 0},    // dropouts stand between layers that later passes want to see side by side
	{&DCE, 0},            // dead readers keep every pass from firing that wants a value with one reader
	{&Stack3x3, byName},  // redesigns see the layer as the spec wrote it: convolution, batch norm, activation
	{&Factorize, byName}, // behind stack-3x3: it may factorize the 3x3 that came from a 5x5
	{&CSE, 1},            // before merge-siblings: equal convolutions become one, they are not concatenated
	{&FoldBN, 2},         // before all that looks for a convolution next to something else
	{&CommuteAvgPool, 2}, // before merge-siblings: the projection joins its siblings
	{&FoldLinear, 2},     // before merge-siblings, behind which a 1x1 reads a slice and no convolution
	{&FuseAct, 1},        // before merge-siblings, so that one activation serves a merged convolution; behind, it would lift it
	{&MergeSiblings, 2},  // behind everything that changes which 1x1 convolutions read a value
	{&ConstFold, 2},      // last: each weight is rounded once, whatever was done to it
}

// All returns every pass in the order of the pipeline.
func All() []*Pass {
	var ps []*Pass
	for _, r := range table {
		ps = append(ps, r.pass)
	}
	return ps
}

// Lookup returns the pass of a name, nil if there is none.
func Lookup(name string) *Pass {
	for _, r := range table {
		if r.pass.Name == name {
			return r.pass
		}
	}
	return nil
}

// LevelOf returns the lowest level that runs the pass; ok is false where it runs
// by name alone.
func LevelOf(p *Pass) (level int, ok bool) {
	for _, r := range table {
		if r.pass == p && r.level != byName {
			return r.level, true
		}
	}
	return 0, false
}

// MaxLevel is the highest level.
const MaxLevel = 2

// Level returns the pipeline of -O0, -O1 or -O2: 0 leaves out what inference
// does not need, 1 adds the Exact passes, 2 those that round otherwise. A
// Redesign runs by name alone. Levels beyond are those at the ends.
func Level(n int) Pipeline {
	var p Pipeline
	for _, r := range table {
		if r.level <= max(n, 0) {
			p = append(p, Step{Pass: r.pass, level: true})
		}
	}
	return p
}

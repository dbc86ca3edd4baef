package passes

// row is a pass and the lowest level that runs it, or byName if no level does.
type row struct {
	pass  *Pass
	level int
}

const byName = 1 << 10

// table lists all passes in the order in which a level runs them. The comment of each row
// gives the reason for its place. Requirements that hold for any order, also for one that a
// user gives, are Constraints of the passes.
var table = []row{
	{&DropHeads, 0},      // first: no pass should work on nodes that are removed anyway
	{&DropDropout, 0},    // a dropout separates layers that later passes could join
	{&DCE, 0},            // an unused reader stops all passes that need a value with a single reader
	{&Stack3x3, byName},  // redesigns need the layer as the spec has it: convolution, batch norm, activation
	{&Factorize, byName}, // after stack-3x3: it may factorize the 3x3 convolutions that replace a 5x5
	{&CSE, 1},            // before merge-siblings: equal convolutions should become one and not be concatenated
	{&TrimPadding, 2},    // before all passes that compute with weights: there are fewer of them
	{&SumChannels, 2},    // before the passes that look for convolutions
	{&FoldBN, 2},         // before all passes that look at the neighbours of a convolution
	{&CommuteAvgPool, 2}, // before merge-siblings: the moved convolution gets siblings to merge with
	{&FoldLinear, 2},     // before merge-siblings: after it, a 1x1 reads a slice and not a convolution
	{&FuseAct, 1},        // before merge-siblings: the merged convolution then has one activation; after it, fuse-act must move it before the slices
	{&MergeSiblings, 2},  // after all passes that change which 1x1 convolutions read a value
	{&ConstFold, 2},      // last: each weight is then rounded only once
}

// All returns every pass in the order of the pipeline.
func All() []*Pass {
	var ps []*Pass
	for _, r := range table {
		ps = append(ps, r.pass)
	}
	return ps
}

// Lookup returns the pass with the given name, nil if there is none.
func Lookup(name string) *Pass {
	for _, r := range table {
		if r.pass.Name == name {
			return r.pass
		}
	}
	return nil
}

// LevelOf returns the lowest level that runs the pass. ok is false if the pass runs only by
// name.
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

// Level returns the pipeline of -O0, -O1 or -O2. Level 0 removes what inference does not
// need, 1 adds the Exact passes, 2 adds the Rounding passes. Redesign passes run only by
// name. A number below 0 counts as 0, one above MaxLevel as MaxLevel.
func Level(n int) Pipeline {
	var p Pipeline
	for _, r := range table {
		if r.level <= max(n, 0) {
			p = append(p, Step{Pass: r.pass, level: true})
		}
	}
	return p
}

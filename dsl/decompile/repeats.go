package decompile

import "slices"

// repeats replaces what follows itself in a pipeline by a repeat.
func repeats(q *seq, w *writer) {
	for _, s := range q.stages {
		for _, in := range s.seqs() {
			repeats(in, w)
		}
	}
	for at := 0; at < len(q.stages); at++ {
		size, times := longestRepeat(q, at, w)
		if times < 2 {
			continue
		}
		body := &seq{stages: slices.Clone(q.stages[at : at+size])}
		s := &stage{op: "repeat", body: []*seq{body}, path: body.stages[0].path, sure: body.stages[0].sure, out: q.stages[at+size*times-1].out}
		s.set("#0", itoa(times))
		q.stages = slices.Replace(q.stages, at, at+size*times, s)
	}
}

// longestRepeat returns how many stages from a place on repeat and how often, 0 if a repeat
// is no better than the stages themselves.
func longestRepeat(q *seq, at int, w *writer) (size, times int) {
	list := q.stages[at:]
	for n := 1; n <= 4 && 2*n <= len(list); n++ {
		t := 1
		for (t+1)*n <= len(list) && w.inline(&seq{stages: list[:n]}) == w.inline(&seq{stages: list[t*n : (t+1)*n]}) {
			t++
		}
		least := 2
		if !slices.ContainsFunc(list[:n], func(s *stage) bool { return s.body != nil || s.block != nil }) {
			least = 4 // of plain layers
		}
		if t >= least && t*n > size*times {
			size, times = n, t
		}
	}
	return size, times
}

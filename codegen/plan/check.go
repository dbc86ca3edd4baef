package plan

import (
	"errors"
	"fmt"
)

// Check verifies the memory of a finished plan. Buffers must lie within the arena. Buffers
// that live at the same time must not overlap. Buffers that share memory with a bordered
// buffer must belong to the same class (Buffer.Frame) and begin at a multiple of the distance
// between blocks, so that borders remain zero. Steps must access buffers only while they
// live. The error joins all violations.
func Check(p *Plan) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for i, a := range p.Buffers {
		if a.Off < 0 || a.Off+a.Len > p.Arena || a.Off%Align != 0 {
			bad("buffer %s is at %d..%d of an arena of %d", a.Name, a.Off, a.Off+a.Len, p.Arena)
		}
		if a.Len == 0 || a.Layout.blocky() && a.At%Align != 0 {
			bad("buffer %s has length %d and begins at %d", a.Name, a.Len, a.At)
		}
		lo, hi := a.reach(p.Batch)
		if lo < 0 || hi > p.Arena {
			bad("buffer %s with its border reaches %d..%d of an arena of %d", a.Name, lo, hi, p.Arena)
		}
		for _, b := range p.Buffers[:i] {
			live := a.First <= b.Last && b.First <= a.Last
			meet := a.Off < b.Off+b.Len && b.Off < a.Off+a.Len
			if live && meet {
				bad("buffers %s and %s overlap and both live in phase %d", a.Name, b.Name, max(a.First, b.First))
			}
			blo, bhi := b.reach(p.Batch)
			if lo < bhi && blo < hi && a.Frame != b.Frame {
				bad("buffers %s and %s overlap, and the border of one would not stay zero", a.Name, b.Name)
			}
			if a.Frame != 0 && a.Frame == b.Frame && (a.View.C != b.View.C || a.View.H != b.View.H || a.Border != b.Border || (a.At-b.At)%a.View.C != 0) {
				bad("buffers %s and %s share borders but not a grid", a.Name, b.Name)
			}
		}
	}
	for i, s := range p.Steps {
		if i > 0 && s.Phase != p.Steps[i-1].Phase && s.Phase != p.Steps[i-1].Phase+1 {
			bad("step %s is in phase %d, after a step in phase %d", s.Name, s.Phase, p.Steps[i-1].Phase)
		}
		for _, ids := range [2][]int{s.Reads, s.Writes} {
			for _, id := range ids {
				if b := p.Buffers[id]; s.Phase < b.First || s.Phase > b.Last {
					bad("step %s of phase %d touches %s, which lives from %d to %d", s.Name, s.Phase, b.Name, b.First, b.Last)
				}
			}
		}
	}
	for _, s := range p.Steps[:p.Changes] {
		for _, o := range s.Out {
			if o.Space == Params {
				bad("step %s changes params before the last part of the plan, which may do so", s.Name)
			}
		}
	}
	end := 0
	for _, w := range p.Weights {
		if w.Off < end || w.Off+w.Len > p.Packed {
			bad("weight %v is at %d..%d of %d, the one before ends at %d", w.Params, w.Off, w.Off+w.Len, p.Packed, end)
		}
		end = w.Off + w.Len
	}
	return errors.Join(errs...)
}

// reach returns the range of the arena, lo..hi-1, that readers of a buffer may read, borders
// included.
func (b Buffer) reach(batch int) (lo, hi int) {
	if b.Layout == Planar || b.Layout == Wide || b.Layout == Packed || b.Layout.indices() {
		return b.Off, b.Off + b.Len
	}
	px, n := 1, b.C
	switch b.Layout {
	case Blocked, Bytes:
		px, n = b.Layout.Pixel(), blocks(b.C)
	case N16:
		px, n, batch = Block, b.C, blocks(batch)
	}
	if b.View.N < b.View.C {
		return b.Off, b.Off + b.Len
	}
	lo = b.At - b.Border[0]*b.View.H - b.Border[1]*px
	hi = b.At + (batch-1)*b.View.N + (n-1)*b.View.C + (b.H-1+b.Border[2])*b.View.H + (b.W+b.Border[3])*px
	return lo, hi
}

package cpu

import (
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
)

// A convolution whose dilation is about as large as its map, as in atrous spatial pyramid pooling
// (Chen 2017, DeepLab v3), multiplies padding for the most part. It is computed tap by tap, each
// over the part of the map where the tap meets the input.

// tap is a part of the output, oy..oy+h-1 and ox..ox+w-1, and where its input begins.
type tap struct{ y, x, oy, ox, h, w, iy, ix int }

// tapsOf returns the taps of a convolution over maps of ih x iw. The first covers the whole output;
// ok is false if there is none such.
func tapsOf(k kernel.Conv, ih, iw int) (taps []tap, ok bool) {
	span := func(tap, dilation, pad, in, out int) (first, n, from int) {
		shift := tap*dilation - pad // of the input against the output
		first = max(0, -shift)
		return first, min(out, in-shift) - first, first + shift
	}
	for y := range k.KH {
		for x := range k.KW {
			t := tap{y: y, x: x}
			t.oy, t.h, t.iy = span(y, k.DH, k.PH, ih, k.H)
			t.ox, t.w, t.ix = span(x, k.DW, k.PW, iw, k.W)
			if t.h <= 0 || t.w <= 0 {
				continue
			}
			taps = append(taps, t)
			if last := len(taps) - 1; !ok && t.h == k.H && t.w == k.W {
				taps[0], taps[last], ok = taps[last], taps[0], true
			}
		}
	}
	return taps, ok
}

// byTaps sets a choice of a convolution tap by tap if that is predicted to be faster than another
// way, whose time it is given.
func (c *call) byTaps(k kernel.Conv, ih, iw int, weight, bias *ir.Value, other float64) bool {
	if c.l.train != nil || c.layout() != plan.Blocked || k.Planar || k.Residual || k.Groups > 1 || len(c.Wrote) != 1 || c.Pool != nil ||
		k.SH != 1 || k.SW != 1 || k.DH < 2 && k.DW < 2 || c.l.tuning.choice(k, c.l.batch) != "" {
		return false
	}
	taps, ok := tapsOf(k, ih, iw)
	if !ok {
		return false
	}
	ks, seconds := make([]kernel.ConvTap, len(taps)), 0.0
	last := k.Outputs[0].Act
	for i, t := range taps {
		one := k
		one.H, one.W, one.KH, one.KW, one.DH, one.DW, one.PH, one.PW = t.h, t.w, 1, 1, 1, 1, 0, 0
		one.Outputs[0].Act, one.Residual = kernel.ActNone, i > 0
		ks[i] = kernel.ConvTap{Conv: one, KH: k.KH, KW: k.KW, Y: t.y, X: t.x}.Split(c.l.batch)
		seconds += c.l.Cost(ks[i], c.l.batch).Seconds
	}
	if seconds >= other {
		return false
	}
	return c.blocked("direct by taps", 0, func(e *plan.Emitter) error {
		in, out := view(e.In[0]), view(e.Out[0])
		for i, t := range taps {
			do := ks[i]
			do.Conv.In, do.Conv.Outputs[0].View = in, out
			from, to := e.In[0].Shift(t.iy*in.H+t.ix*kernel.Block), e.Out[0].Shift(t.oy*out.H+t.ox*kernel.Block)
			reads := list(from)
			if i > 0 {
				do.Conv.Res, reads = out, list(from, to)
			}
			do = do.Split(c.l.batch)
			ws := []plan.WeightRef{{Params: []*ir.Value{weight}, How: kernel.PackWeight, Len: do.PackedLen()}}
			if i == 0 && bias != nil {
				ws = append(ws, plan.WeightRef{Params: []*ir.Value{bias}, How: kernel.PackBias, Len: do.BiasLen()})
			}
			e.Step(do, reads, list(to), ws...)
		}
		if last != kernel.ActNone {
			ch, h, w := chw(c.Wrote[0])
			e.Step(kernel.Activation{Act: last, A: hardSlope, B: hardShift, C: ch, H: h, W: w, In: out, Out: out}, e.Out, e.Out)
		}
		return nil
	}) == nil
}

// The parameters of the activations that a convolution may have.
const hardSlope, hardShift = 1.0 / 6, 0.5

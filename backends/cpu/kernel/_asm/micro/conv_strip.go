package main

import (
	"fmt"

	"github.com/incc-lang/incc/backends/cpu/kernel/_asm/micro/vasm"
)

// stripPixels are the pixels of a strip: few sizes, since most maps are 7 times a power of two
// wide. AVX-512 has registers for two strips of 7, which is a seventh faster.
var stripPixels = map[*vasm.Tier][]int{
	vasm.AVX512: {1, 4, 7, 14},
	vasm.AVX2:   {1, 4, 7},
	vasm.NEON:   {1, 4, 7},
}

// convStrips are strips of p pixels of a convolution with kernels three wide, in which a group has
// width channels and lies within a block: width 1 is depthwise convolution. Input pixels are stride
// blocks apart.
func convStrips(f *vasm.File, t *vasm.Tier) {
	for _, width := range []int{1, 4, 8} {
		for stride := 1; stride <= 2; stride++ {
			for _, p := range stripPixels[t] {
				f.Func(t, fmt.Sprintf("strip%sw%ds%dp%d", t.Suffix, width, stride, p), "t *byte", func(k *vasm.Func) {
					convStrip(k, width, stride, p)
				})
			}
		}
	}
}

// convStrip computes rows of strips beside each other. An input pixel is read once for the up to
// three outputs of the row that it counts for. Of an output element, the products are added in
// the order kernel row, channel, kernel column.
func convStrip(k *vasm.Func, width, stride, p int) {
	t := k.Arg("t")
	field := func(name string) vasm.Addr { return vasm.Field(t, "strip_"+name) }
	in, out, res, x, w := k.Reg(), k.Reg(), k.Reg(), k.Reg(), k.Reg()
	first, bias := k.NewInt(field("w")), k.NewInt(field("bias"))
	row, n, part := k.Reg(), k.Reg(), k.Reg()
	channel := x
	if width > 1 {
		channel = k.Reg()
	}
	bytes := k.Tier.PartBytes()
	per := bytes * k.Tier.Per / 64 // registers of a part
	acc := make([][]vasm.V, p)
	for q := range acc {
		acc[q] = k.Vs(per)
	}
	body := &stripBody{k: k, acc: acc, stride: stride, per: per}

	// Where a row begins is kept as a number: behind the last row it points to no memory of the map.
	k.LoadInt(in, field("in"))
	k.LoadInt(out, field("out"))
	k.LoadInt(res, field("res"))
	k.Label("row")
	k.StoreInt(in, field("rowIn"))
	k.StoreInt(out, field("rowOut"))
	k.StoreInt(res, field("rowRes"))
	k.LoadInt(n, field("strips"))
	k.StoreInt(n, field("left"))
	k.Label("strip")
	if bytes < 64 {
		k.Set(part, 64/bytes)
		k.Label("part")
	}
	k.Load(acc[0], vasm.At(bias, 0))
	for _, a := range acc[1:] {
		k.Copy(a, acc[0])
	}
	k.Move(x, in)
	k.Move(w, first)
	k.LoadInt(row, field("kh"))
	free := body.begin(width)
	if width == 1 {
		k.Align(64)
		k.Label("kernel")
		body.channel(x, w)
	} else {
		k.Label("kernel")
		k.Move(channel, x)
		k.LoadInt(n, field("width"))
		body.spread.First(field("indices"))
		k.Align(64)
		k.Label("channel")
		body.channel(channel, w)
		body.spread.Next(channel)
		k.Repeat(n, 1, "channel")
	}
	k.AddMem(x, field("kernelRow"))
	k.Repeat(row, 1, "kernel")
	free()

	k.LoadInt(n, field("flags"))
	body.finish(n, out, res, field("scale"))
	pointers := []struct {
		r    vasm.Reg
		next int // bytes from a strip to the next
	}{{in, 64 * stride * p}, {out, 64 * p}, {res, 64 * p}, {first, 0}, {bias, 0}}
	if bytes < 64 {
		for _, q := range pointers {
			k.AddInt(q.r, bytes)
		}
		k.Repeat(part, 1, "part")
		for _, q := range pointers {
			k.AddInt(q.r, q.next-64)
		}
	} else {
		for _, q := range pointers[:3] {
			k.AddInt(q.r, q.next)
		}
	}
	k.RepeatMem(field("left"), "strip")
	k.LoadInt(in, field("rowIn"))
	k.AddMem(in, field("inStep"))
	k.LoadInt(out, field("rowOut"))
	k.AddMem(out, field("outStep"))
	k.LoadInt(res, field("rowRes"))
	k.AddMem(res, field("resStep"))
	k.RepeatMem(field("rows"), "row")
	k.Return()
}

// stripBody is the work of a strip on one part.
type stripBody struct {
	k       *vasm.Func
	acc     [][]vasm.V
	stride  int
	per     int
	weights [3][]vasm.V
	spread  *vasm.Spread
}

// begin takes the registers for weights and pixels; what it returns gives them back.
func (b *stripBody) begin(width int) (free func()) {
	before := b.k.Free()
	for i := range b.weights {
		b.weights[i] = b.k.Vs(b.per)
	}
	b.spread = b.k.Spread(width)
	taken := before - b.k.Free()
	return func() {
		last := b.acc[len(b.acc)-1]
		var l []vasm.V
		for i := range taken { // they follow the accumulators
			l = append(l, last[len(last)-1]+1+vasm.V(i))
		}
		b.k.Release(l...)
		b.k.Temps(4)
	}
}

// channel adds a channel of a kernel row, for pixels from x on, with the weights at w.
func (b *stripBody) channel(x, w vasm.Reg) {
	b.spread.Channel()
	for i, v := range b.weights {
		b.k.Load(v, vasm.At(w, 64*i))
	}
	b.k.AddInt(w, 64*len(b.weights))
	for i := range b.stride*(len(b.acc)-1) + len(b.weights) {
		var acc, weights [][]vasm.V
		for j, v := range b.weights {
			if q := i - j; q >= 0 && q%b.stride == 0 && q/b.stride < len(b.acc) {
				acc, weights = append(acc, b.acc[q/b.stride]), append(weights, v)
			}
		}
		if len(acc) > 0 {
			b.spread.MultiplyAdd(vasm.At(x, 64*i), acc, weights)
		}
	}
}

// finish adds the residual, applies the activation, and stores.
func (b *stripBody) finish(flags, out, res vasm.Reg, scale vasm.Addr) {
	k := b.k
	c := k.V() // the scale, zeros, or the bound
	k.Temps(4)
	k.IfNone(flags, "const_tileRes", "act")
	k.Broadcast(c, scale)
	for q, a := range b.acc {
		k.ScaleAdd(a, c, vasm.At(res, 64*q))
	}
	k.Label("act")
	k.IfNone(flags, "const_tileReLU", "store")
	k.Zero(c)
	for _, a := range b.acc {
		k.MaxZero(a, c)
	}
	k.IfNone(flags, "const_tileReLU6", "store")
	k.Fill(c, 6)
	for _, a := range b.acc {
		k.Limit(a, c)
	}
	k.Label("store")
	for q, a := range b.acc {
		k.Store(a, vasm.At(out, 64*q))
	}
}

package kernel

import (
	"fmt"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

func inLanes(c Conv) Kernel { return N16Conv{c} }

func TestN16ConvSizes(t *testing.T) {
	for n := 1; n <= 67; n++ {
		r := newRand(uint64(n), 2)
		c := Conv{IC: n, H: 1 + n%3, W: 1 + n%7, KH: 1, KW: 1, Outputs: [4]Output{{C: 1 + n%9, Act: ActReLU}}}
		newN16Case(r, 1+n%35, c, n%2).check(t, inLanes, 2e-6)
		c = Conv{IC: 2, H: 1 + n%4, W: n, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 3}}}
		newN16Case(r, 1+n%18, c, 1-n%2).check(t, inLanes, 2e-6)
		c = Conv{IC: 1, H: 2, W: 2, KH: 1, KW: 2, Outputs: [4]Output{{C: n}}}
		newN16Case(r, n, c, n%2).check(t, inLanes, 2e-6)
	}
}

func TestN16ConvRandom(t *testing.T) {
	r := newRand(8, 7)
	count := longtest.Count(60, 240, 3000)
	for range count {
		c := Conv{
			IC: 1 + r.IntN(9), H: 1 + r.IntN(8), W: 1 + r.IntN(16),
			KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3),
		}
		c.PH, c.PW = r.IntN(c.KH+2), r.IntN(c.KW+2)
		c.Outputs[0] = Output{C: 1 + r.IntN(20), Act: fusedAct(r)}
		switch r.IntN(5) {
		case 0:
			c.Residual, c.Scale = true, r.Float32()
		case 1:
			c.Outputs[1] = Output{C: 1 + r.IntN(9)}
			c.Outputs[2] = Output{C: 1 + r.IntN(9), Act: ActReLU}
		case 2:
			c.Groups = 1 + r.IntN(4)
			c.IC = c.Groups * (1 + r.IntN(5))
			c.Outputs[0].C = c.Groups * (1 + r.IntN(6))
		}
		newN16Case(r, 1+r.IntN(33), c, r.IntN(2)).check(t, inLanes, 4e-6)
	}
}

// TestN16ConvChecksBounds: as TestConvChecksBounds.
func TestN16ConvChecksBounds(t *testing.T) {
	c := Conv{IC: 3, H: 7, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 5}}}
	k := newN16Case(newRand(1, 1), 16, c, 0)
	kern := N16Conv{k.c}
	k.pack(kern)
	for isa := range tiers(nil) {
		for short := range 3 {
			a := k.args(kern.Table(isa))
			switch short {
			case 0:
				a.In[0].Mem = a.In[0].Mem[: guardLen+k.in.v.N-1 : guardLen+k.in.v.N-1]
			case 1:
				a.Out[0].Mem = a.Out[0].Mem[:guardLen+k.out[0].v.N-1]
			}
			panicked := func() (p bool) {
				defer func() { p = recover() != nil }()
				runAll(isa, kern, a)
				return
			}()
			if panicked != (short < 2) {
				t.Errorf("%v case %d: panicked %v", isa, short, panicked)
			}
		}
	}
}

func TestN16Dense(t *testing.T) {
	for n := 1; n <= 67; n++ {
		r := newRand(uint64(n), 3)
		c := Conv{IC: 1 + n%5, H: 1, W: 1, KH: 1 + n%4, KW: 1 + n%7, Outputs: [4]Output{{C: n, Act: Act(n % 4)}}}
		if n%9 == 0 {
			c.IC, c.KH, c.KW = 3*n, 1, 1
		}
		images := 1 + 3*n%130
		k := newN16Case(r, images, c, n%2)
		k.check(t, func(c Conv) Kernel {
			d := N16Dense{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Outputs[0], Quads: c.Pairs, ImageBlocks: c.Rows}
			if c.Rows < 0 {
				d = d.Split(images)
			}
			return d
		}, 4e-6)
	}
}

// TestTranspose compares with the definition, on every tier.
func TestTranspose(t *testing.T) {
	r := newRand(5)
	for isa, r := range tiers(r) {
		for rows := 8; rows <= 40; rows += 8 {
			for cols := 8; cols <= 64; cols += 8 {
				ds, ss := rows+r.IntN(5), cols+r.IntN(5)
				src, dst := make([]float32, rows*ss), make([]float32, cols*ds+3)
				for i := range src {
					src[i] = float32(i)
				}
				fill(dst, poison)
				vecFor(isa).transpose(dst, src, ds, ss, rows, cols)
				for i, v := range dst {
					x, y := i/ds, i%ds
					if x < cols && y < rows && v != src[y*ss+x] || (x >= cols || y >= rows) && !isPoison(v) {
						t.Fatalf("%v: %d x %d: element %d is %g", isa, rows, cols, i, v)
					}
				}
			}
		}
	}
}

// TestN16Reorders copies planar and blocked activations to lanes and back.
func TestN16Reorders(t *testing.T) {
	for n := 1; n <= 67; n++ {
		r := newRand(uint64(n))
		images, c, h, w := 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(4), n
		if n%5 == 0 {
			images, c, h, w = n, 1+r.IntN(70), 1, 1
		}
		gap := n % 2
		planar := newAct(images, c, h, w, 0, 0, 0, 0, gap, true)
		blocked := newAct(images, c, h, w, gap, gap, gap, gap, gap, false)
		planar.fill(r, true)
		blocked.fill(r, false)
		for isa := range tiers(r) {
			lanes := newN16Act(images, c, h, w, 2*gap, gap, gap, gap, gap)
			run := func(k Kernel, in, out *actBuf) {
				a := &Args{Images: images}
				a.In[0], a.Out[0] = in.Buf, out.Buf
				runAll(isa, k, a)
			}
			same := func(what string, in, out *actBuf, inPlanar, outPlanar bool) {
				t.Helper()
				for i := range images {
					for j := range c {
						for y := range h {
							for x := range w {
								if p, q := *in.at(i, j, y, x, inPlanar), *out.at(i, j, y, x, outPlanar); p != q {
									t.Fatalf("%v: %d images %dx%dx%d, %s: element (%d, %d, %d, %d) is %g, want %g", isa, images, c, h, w, what, i, j, y, x, q, p)
								}
							}
						}
					}
				}
				if !outPlanar {
					if err := out.check(); err != nil {
						t.Fatalf("%v: %d images %dx%dx%d, %s: %v", isa, images, c, h, w, what, err)
					}
				}
			}
			empty := func(what string) {
				t.Helper()
				for i := images; i < imageBlocks(images)*Block; i++ {
					if v := *lanes.at(i, c-1, h-1, w-1, false); v != 0 {
						t.Fatalf("%v: %s: a lane without an image holds %g", isa, what, v)
					}
				}
			}
			run(N16FromNCHW{C: c, H: h, W: w, In: planar.v, Out: lanes.v}, planar, lanes)
			same("planar to lanes", planar, lanes, true, false)
			empty("planar to lanes")
			back := newAct(images, c, h, w, 0, 0, 0, 0, gap, true)
			run(N16ToNCHW{C: c, H: h, W: w, In: lanes.v, Out: back.v}, lanes, back)
			same("lanes to planar", planar, back, true, true)
			block := newAct(images, c, h, w, gap, gap, 0, gap, gap, false)
			run(N16ToBlocked{C: c, H: h, W: w, In: lanes.v, Out: block.v}, lanes, block)
			same("lanes to blocked", planar, block, true, false)
			run(N16FromBlocked{C: c, H: h, W: w, In: blocked.v, Out: lanes.v}, blocked, lanes)
			same("blocked to lanes", blocked, lanes, false, false)
			empty("blocked to lanes")
		}
	}
}

// BenchmarkN16Conv measures the shapes of specs/mnist.
func BenchmarkN16Conv(b *testing.B) {
	for _, c := range []Conv{
		{IC: 1, H: 28, W: 28, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 16}}},
		{IC: 16, H: 28, W: 28, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 16}}},
		{IC: 16, H: 28, W: 28, KH: 1, KW: 1, Outputs: [4]Output{{C: 4}, {C: 4}, {C: 4}}},
		{IC: 4, H: 28, W: 28, KH: 5, KW: 5, PH: 2, PW: 2, Outputs: [4]Output{{C: 4}}},
		{IC: 4, H: 28, W: 28, KH: 3, KW: 1, PH: 1, Outputs: [4]Output{{C: 4}}},
		{IC: 16, H: 14, W: 14, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 16}}},
		{IC: 16, H: 1, W: 1, KH: 7, KW: 7, Outputs: [4]Output{{C: 500}}},
	} {
		k := newN16Case(newRand(1), 128, c, 0)
		var kern Kernel = N16Conv{k.c}.Split(128)
		if c.H == 1 {
			kern = N16Dense{C: c.IC, H: c.KH, W: c.KW, In: k.c.In, Out: k.c.Outputs[0]}.Split(128)
		}
		k.pack(kern.(Packer))
		for _, isa := range Available()[1:] {
			b.Run(fmt.Sprintf("%dx%dx%d_%dx%d_%d/%v", c.IC, c.H, c.W, c.KH, c.KW, c.OC(), isa), func(b *testing.B) {
				a, w := k.args(kern.(Tabler).Table(isa)), &Worker{ISA: isa}
				for b.Loop() {
					for i := range kern.Tasks(128) {
						kern.Run(w, i, a)
					}
				}
				b.ReportMetric(2*float64(c.MACs()*128*b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

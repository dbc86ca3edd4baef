package kernel

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/threads"
)

// BenchmarkDenseTraining is a training step's part of the dense layers of the MNIST networks on two
// threads, one kernel after another as in a step, so that each finds the others' arrays in the caches: the least
// time of each and its share of the peak. First over blocks, without the copies in front and behind that maps in
// lanes then need, and then over lanes.
func BenchmarkDenseTraining(b *testing.B) {
	isa := benchISA(b)
	const images = 128
	pool := threads.NewPool(2)
	defer pool.Close()
	team := NewTeam(pool, isa, 1<<20)
	for _, s := range [][3]int{{6272, 196, 28}, {3136, 120, 14}, {784, 500, 7}, {500, 500, 1}, {400, 120, 5}} {
		x, y := View{N: Block, C: images * Block}, View{N: Block, C: images * Block}
		d := Dense{C: s[0], H: 1, W: 1, In: x, Out: Output{C: s[1], View: y, Act: ActReLU}}.Split(images)
		in, out := benchAlloc(images*Blocks(s[0])*Block), benchAlloc(images*Blocks(s[1])*Block)
		dx, dy := benchAlloc(len(in)), benchAlloc(len(out))
		w, bias, dw := benchAlloc(d.PackedLen()), benchAlloc(d.BiasLen()), benchAlloc(d.PackedLen())
		for _, m := range [][]float32{in, dy, w} {
			for i := range m {
				m[i] = float32(i%7-3) * 1e-3
			}
		}
		data := DenseBackwardData{Dense: d}
		weights := DenseBackwardWeights{Dense: d}.Split(images)
		type step struct {
			name string
			k    Kernel
			a    *Args
		}
		steps := []step{{"forward", d, &Args{Images: images, Table: d.Table(isa), In: [4]Buf{{Mem: in}}, Out: [4]Buf{{Mem: out}}, W: [4][]float32{w, bias}}}}
		if parts, ok := d.SplitK(images); ok {
			mem := benchAlloc(parts.PartialsLen(images))
			steps[0].name, steps[0].k, steps[0].a.Out[0].Mem = "parts", parts, mem
			steps = append(steps, step{"sum", parts.Sum(), &Args{Images: images, In: [4]Buf{{Mem: mem}}, Out: [4]Buf{{Mem: out}}}})
		}
		steps = append(steps, []step{
			{"data", data, &Args{Images: images, Table: data.Table(isa), In: [4]Buf{{Mem: dy}}, Out: [4]Buf{{Mem: dx}}, W: [4][]float32{w}}},
			{"weights", weights, &Args{Images: images, Table: weights.Table(isa), In: [4]Buf{{Mem: in}, {Mem: dy}}, Out: [4]Buf{{Mem: dw}}}},
		}...)
		if s[2] > 1 {
			// The same over maps of s[2] x s[2] in N16, masked as the gradient of a ReLU's output is.
			c, size := s[0]/(s[2]*s[2]), s[2]
			maps := View{N: s[0]*Block + 5*Block, C: size * size * Block, H: size * Block}
			l := Dense{C: c, H: size, W: size, In: maps, Out: d.Out}
			x2, dx2 := benchAlloc(imageBlocks(images)*maps.N), benchAlloc(imageBlocks(images)*maps.N)
			dy2, sums := benchAlloc(images*s[1]), benchAlloc(1<<16)
			parts := N16DenseSplitK{Dense: l}.Split(images)
			mem := benchAlloc(parts.PartialsLen(images))
			back := l
			back.Out.View = View{N: s[1] * Block, C: Block, H: Block}
			masked := N16DenseBackwardData{Dense: back, ReLU: true, Y: maps}
			n16Weights := N16DenseBackwardWeights{DenseBackwardWeights{Dense: l}}.Split(images)
			steps = append(steps, []step{
				{"lanes", parts, &Args{Images: images, In: [4]Buf{{Mem: x2}}, Out: [4]Buf{{Mem: mem}}, W: [4][]float32{w}}},
				{"sum", parts.Sum(), &Args{Images: images, In: [4]Buf{{Mem: mem}}, Out: [4]Buf{{Mem: out}}, W: [4][]float32{nil, bias}}},
				{"data", masked, &Args{Images: images, In: [4]Buf{{Mem: dy2}, {Mem: x2}}, Out: [4]Buf{{Mem: dx2}, {Mem: sums}}, W: [4][]float32{w}}},
				{"weights", n16Weights, &Args{Images: images, Table: n16Weights.Table(isa), In: [4]Buf{{Mem: x2}, {Mem: dy}}, Out: [4]Buf{{Mem: dw}}}},
			}...)
		}
		times := make([]time.Duration, len(steps))
		i := 0
		run := func(w *Worker) { w.Do(steps[i].k, steps[i].a) }
		var p benchPeak
		for turn := range 60 {
			p.sample(isa)
			for i = range steps {
				at := time.Now()
				team.Run(run)
				if t := time.Since(at); turn == 0 || t < times[i] {
					times[i] = t
				}
			}
		}
		for i, s := range steps {
			fmt.Fprintf(os.Stderr, "%4d->%3d %-8s %3d tasks %6.0f us", d.C, d.Out.C, s.name, s.k.Tasks(images), times[i].Seconds()*1e6)
			if s.name != "sum" {
				fmt.Fprintf(os.Stderr, " %5.1f %%", 100*float64(images*d.C*d.Out.C)/times[i].Seconds()/p.gflops/1e9)
			}
			fmt.Fprintln(os.Stderr)
		}
	}
}

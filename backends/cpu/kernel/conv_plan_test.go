package kernel

import "testing"

// TestCostDecides pins which algorithm the cost model takes on shapes of the
// networks, one image at a time and eight.
func TestCostDecides(t *testing.T) {
	for _, s := range []struct {
		ic, oc, k, hw, images int
		winograd              bool
	}{
		{64, 192, 3, 56, 1, true},
		{32, 32, 3, 147, 1, true},
		{80, 192, 3, 71, 1, true},
		{96, 96, 3, 35, 1, true},
		{96, 208, 3, 14, 1, true},
		{96, 192, 5, 16, 1, true},  // NIN
		{192, 384, 3, 7, 1, false}, // the larger weights come from memory
		{192, 384, 3, 7, 8, true},  // and are used eight times here
		{16, 16, 3, 6, 1, false},   // as little work either way
		{512, 512, 3, 4, 1, false},
	} {
		c := Conv{IC: s.ic, H: s.hw, W: s.hw, KH: s.k, KW: s.k, PH: s.k / 2, PW: s.k / 2, Outputs: [4]Output{{C: s.oc}}}
		c.In.H = (s.hw + s.k - 1) * Block
		direct, wino := c.Split(s.images).nanoseconds(s.images), Winograd{Conv: c}.Split(s.images).nanoseconds(s.images)
		t.Logf("%dx%d %d->%d @%d x%d: direct %.0f us, Winograd %.0f us", s.k, s.k, s.ic, s.oc, s.hw, s.images, direct/1e3, wino/1e3)
		if (wino < direct) != s.winograd {
			t.Errorf("%dx%d %d->%d @%d x%d: direct %.0f us, Winograd %.0f us", s.k, s.k, s.ic, s.oc, s.hw, s.images, direct/1e3, wino/1e3)
		}
	}
}

// TestCostDecidesGradients is the same for gradients of weights, by Winograd or directly, of
// layers whose measured times are in the comment, in microseconds on one thread.
func TestCostDecidesGradients(t *testing.T) {
	for _, s := range []struct {
		ic, oc, k, hw, images int
		winograd              bool
	}{
		{16, 16, 3, 28, 128, true}, // 1230, 2310
		{16, 16, 3, 14, 128, true}, // 450, 540: tiles reach past the image
		{32, 32, 3, 14, 128, true}, // 1490, 2270
		{160, 320, 3, 7, 16, true}, // 2190, 4230
		{32, 128, 5, 7, 16, true},  // 740, 910
		{16, 16, 3, 5, 16, false},
	} {
		b := ConvBackwardWeights{Conv: Conv{IC: s.ic, H: s.hw, W: s.hw, KH: s.k, KW: s.k, PH: s.k / 2, PW: s.k / 2, Outputs: [4]Output{{C: s.oc}}}}
		direct, wino := b.Split(s.images).nanoseconds(s.images), ConvBackwardWeightsWinograd{Parts: b.Split(s.images), Padded: true}.Split(s.images).nanoseconds(s.images)
		if row := (ConvBackwardWeightsRows{Conv: b.Conv}).Split(s.images); row.Fits() {
			direct = min(direct, row.nanoseconds(s.images))
		}
		if (wino < direct) != s.winograd {
			t.Errorf("%dx%d %d->%d @%d x%d: direct %.0f us, Winograd %.0f us", s.k, s.k, s.ic, s.oc, s.hw, s.images, direct/1e3, wino/1e3)
		}
	}
}

// TestCostDecidesLine is the same for 1x7.
func TestCostDecidesLine(t *testing.T) {
	c := Conv{IC: 128, H: 17, W: 17, KH: 1, KW: 7, PW: 3, Outputs: [4]Output{{C: 192}}}
	c.In.H = 23 * Block
	if !Winograd1DFits(c) {
		t.Fatal("does not fit")
	}
	if direct, line := c.Split(1).nanoseconds(1), (Winograd1D{Conv: c}).Split(1).nanoseconds(1); line > 0.65*direct || line < 0.3*direct {
		t.Errorf("direct %.0f us, Winograd %.0f us", direct/1e3, line/1e3)
	}
}

// TestSplitBalances demands that the tasks of a layer keep two and four threads
// busy to 83 % by the model's own costs, where the layer is worth it.
func TestSplitBalances(t *testing.T) {
	for _, s := range [][4]int{{64, 192, 3, 56}, {480, 192, 1, 14}, {512, 24, 1, 14}, {832, 384, 1, 7}, {160, 320, 3, 7}, {192, 64, 1, 28}, {32, 32, 3, 147}, {768, 192, 1, 17}} {
		c := Conv{IC: s[0], H: s[3], W: s[3], KH: s[2], KW: s[2], Outputs: [4]Output{{C: s[1]}}}
		c.In.H = (s[3] + s[2] - 1) * Block
		c = c.Split(1)
		for _, threads := range []int{2, 4} {
			n := c.Tasks(1)
			if share := float64(n) / float64(ceilDiv(n, threads)*threads); share < 0.83 {
				t.Errorf("%v: %d tasks keep %d threads busy to %.0f %%", s, n, threads, 100*share)
			}
		}
	}
}

func BenchmarkCost(b *testing.B) {
	c := Conv{IC: 192, H: 28, W: 28, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 384}}, Rows: 7, Pairs: 2}
	c.In.H = 30 * Block
	for b.Loop() {
		c.nanoseconds(1)
	}
}

// TestMACs counts GoogLeNet (1,582,671,872 multiply-accumulates with its classifier
// of 1,024,000), and wants every convolution's padded count to be the blocks'.
func TestMACs(t *testing.T) {
	sum := 0
	for _, l := range googleNetShapes() {
		c := l.c
		sum += c.MACs()
		if want := Blocks(c.OC()) * Block * ceilDiv(c.IC, c.tapChannels()) * c.tapChannels() * c.KH * c.KW * c.H * c.W; c.PaddedMACs() != want {
			t.Errorf("%s: %d padded MACs, want %d", l.name, c.PaddedMACs(), want)
		}
	}
	if sum+1024000 != 1582671872 {
		t.Errorf("GoogLeNet: %d MACs", sum+1024000)
	}
	if d := (Depthwise{Conv{IC: 20, Groups: 20, H: 3, W: 3, KH: 3, KW: 3, Outputs: [4]Output{{C: 20}}}}); d.Conv.MACs() != 20*81 || d.PaddedMACs() != 32*81 || !DepthwiseFits(d.Conv) {
		t.Errorf("depthwise: %d and %d MACs", d.Conv.MACs(), d.PaddedMACs())
	}
	if WinogradFits(Conv{KH: 3, KW: 3, SH: 2, SW: 2}) || WinogradFits(Conv{KH: 1, KW: 7}) || !WinogradFits(Conv{KH: 5, KW: 5}) {
		t.Error("WinogradFits")
	}
}

// TestN16DenseSplit demands that the tasks of a dense layer keep two and four threads
// busy, that they are no more than it takes, since each reads its input anew, and that
// the taps of their groups fit the first cache.
func TestN16DenseSplit(t *testing.T) {
	for _, s := range [][2]int{{8 * 28 * 28, 196}, {16 * 14 * 14, 120}, {120, 84}, {400, 120}} {
		for images := 16; images <= 1100; images += 52 {
			d := N16Dense{C: s[0], H: 1, W: 1, Out: Output{C: s[1]}}.Split(images)
			all, n := imageBlocks(images), d.Tasks(images)
			if d.ImageBlocks < 1 || d.ImageBlocks > n16DenseMost || all >= n16DenseLeast && d.ImageBlocks < n16DenseLeast {
				t.Errorf("%v, %d images: %d groups a task", s, images, d.ImageBlocks)
			}
			if chunks := ceilDiv(d.quads(), d.Quads); chunks > 16 {
				t.Errorf("%v, %d images: the input is read %d times", s, images, chunks)
			}
			for _, threads := range []int{2, 4} {
				if share := float64(n) / float64(ceilDiv(n, threads)*threads); share < 0.75 {
					t.Errorf("%v, %d images: %d tasks keep %d threads busy to %.0f %%", s, images, n, threads, 100*share)
				}
			}
		}
	}
	d := N16Dense{C: 8 * 28 * 28, H: 1, W: 1, Out: Output{C: 196}}.Split(128)
	if chunks := ceilDiv(d.quads(), d.Quads); chunks > 4 {
		t.Errorf("the input is read %d times: %#v", chunks, d)
	}
}

// TestDenseInParts says which dense layers are computed in parts of their sums: those
// whose weights and inputs are both too large for the second cache, unless the weights
// outweigh all or the outputs of a task are too many to stay there.
func TestDenseInParts(t *testing.T) {
	for _, s := range []struct {
		in, out, images int
		want            bool
	}{
		{6272, 196, 128, true}, {3136, 120, 128, true}, {6272, 196, 32, true},
		{6272, 196, 1, false}, {784, 500, 128, false}, {500, 500, 128, false}, {400, 120, 128, false},
		{1024, 1000, 16, false}, {9216, 4096, 16, false}, {4096, 4096, 64, false}, {25088, 4096, 8, false}, {16, 10, 128, false},
	} {
		k, ok := Dense{C: s.in, H: 1, W: 1, Out: Output{C: s.out}}.Split(s.images).SplitK(s.images)
		if ok != s.want {
			t.Errorf("%d to %d, %d images: in parts is %v: %#v", s.in, s.out, s.images, ok, k)
		}
		if ok && (k.Splits < 4 || k.Splits > Blocks(s.in)) {
			t.Errorf("%d to %d, %d images: %d parts", s.in, s.out, s.images, k.Splits)
		}
	}
}

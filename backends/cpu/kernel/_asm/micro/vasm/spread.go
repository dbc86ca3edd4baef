package vasm

// Spread multiplies with a channel of each group of a grouped convolution: of a part of a pixel,
// which is one register of AVX-512 or AVX2 or two of NEON, each group has one of its channels in
// all of its lanes. On NEON that is an element of a register, on AVX2 and AVX-512 a broadcast where
// a group fills the register, and otherwise a permutation by indices.
type Spread struct {
	k       *Func
	width   int // channels of a group; with 1 the lanes stay as they are
	x       []V
	index   V
	indexed bool
	at      Reg // the indices of the next channel
}

// PartBytes is how long the parts are.
func (t *Tier) PartBytes() int { return max(32, t.bytes()) }

// Spread takes the registers for groups of 1, 4 or 8 channels. Indices holds the place of the
// indices, 64 bytes a channel.
func (k *Func) Spread(width int) *Spread {
	s := &Spread{k: k, width: width}
	switch k.Tier {
	case NEON:
		s.x = k.Vs(map[int]int{1: 2, 4: 2, 8: 1}[width])
	default:
		s.x = k.Vs(1)
		if s.indexed = width > 1 && 4*width < k.Tier.bytes(); s.indexed {
			s.index, s.at = k.V(), k.Reg()
		}
	}
	return s
}

// First goes to the first channel: indices is where its indices are.
func (s *Spread) First(indices Addr) {
	if s.indexed {
		s.k.loadInt(s.at, indices)
	}
}

// Channel begins a channel.
func (s *Spread) Channel() {
	if s.indexed {
		s.k.load([]V{s.index}, At(s.at, 0))
		s.k.addInt(s.at, 64)
	}
}

// Next moves a pointer to pixels to the next channel, where their place says which it is.
func (s *Spread) Next(x Reg) {
	if !s.indexed {
		s.k.addInt(x, 4)
	}
}

// MultiplyAdd is acc += weights * the channel of the part at a, fused, for some of both.
func (s *Spread) MultiplyAdd(a Addr, acc, weights [][]V) {
	s.k.multiplyAddSpread(s, a, acc, weights)
}

package kernel

// detect has nothing to ask: NEON is part of arm64.
func detect() []ISA { return []ISA{Portable, NEON} }

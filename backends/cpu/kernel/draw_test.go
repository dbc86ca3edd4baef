package kernel

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
)

// testSeed changes the data of every test of this package that draws its data:
//
//	INCC_SEED=17 go test ./backends/cpu/kernel
//
// A test's data depend on this seed alone, not on the vector tiers of the machine, so a
// failure can be repeated anywhere. Tests that pin bits always use seed 0.
var testSeed = readSeed()

func readSeed() uint64 {
	text := os.Getenv("INCC_SEED")
	if text == "" {
		return 0
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, "INCC_SEED: %q is not a whole number from 0 to 2^64-1\n", text)
		os.Exit(2)
	}
	return seed
}

// newRand is a generator for one use, which its numbers name: one number or two.
func newRand(use uint64, more ...uint64) *rand.Rand {
	return fixedRand(use^testSeed*0x9e3779b97f4a7c15, more...)
}

// fixedRand is newRand for tests that pin bits: INCC_SEED does not change it.
func fixedRand(use uint64, more ...uint64) *rand.Rand {
	second := uint64(1)
	if len(more) > 0 {
		second = more[0]
	}
	return rand.New(&stream{rand.NewPCG(use, second), tierLoop})
}

// stream is a source of random numbers that panics when a loop over tiers draws from a
// stream of outside the loop: how often that loop runs depends on the machine, and so
// would everything that is drawn later.
type stream struct {
	*rand.PCG
	loop int // the loop that it was made in
}

// tierLoop is the number of the loop over tiers that runs now, 0 outside of such loops;
// tierLoops is how many there have been.
var tierLoop, tierLoops int

func (s *stream) Uint64() uint64 {
	if tierLoop != 0 && s.loop != tierLoop {
		panic("a test draws from a shared stream in a loop over tiers: use the loop's own stream")
	}
	return s.PCG.Uint64()
}

// tiers is a loop over the tiers of this machine. Each tier gets a stream of its own, and
// all of these give the same numbers. A loop that draws nothing may pass nil.
func tiers(r *rand.Rand) iter.Seq2[ISA, *rand.Rand] {
	var seed uint64
	if r != nil {
		seed = r.Uint64()
	}
	return func(yield func(ISA, *rand.Rand) bool) {
		outer := tierLoop
		defer func() { tierLoop = outer }()
		tierLoops++
		tierLoop = tierLoops
		for _, isa := range Available() {
			if !yield(isa, rand.New(&stream{rand.NewPCG(seed, 2), tierLoop})) {
				return
			}
		}
	}
}

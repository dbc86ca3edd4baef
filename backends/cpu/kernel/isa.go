package kernel

import (
	"fmt"
	"os"
	"strings"
)

// ISA is a tier of the kernels. AVX2, AVX512 and NEON give the same bits (NEON where it has
// microkernels); Portable rounds differently (it has no fused multiply-add) and gives the same bits on
// every architecture and at every GOAMD64 level.
type ISA uint8

// The tiers; those of one architecture from the slowest to the fastest.
const (
	Portable ISA = iota
	AVX2         // with FMA3
	AVX512       // F, VL, DQ and BW
	NEON         // of arm64

	isas = iota // how many
)

var isaNames = [...]string{"portable", "avx2", "avx512", "neon"}

func (i ISA) String() string {
	if int(i) < len(isaNames) {
		return isaNames[i]
	}
	return fmt.Sprintf("ISA(%d)", uint8(i))
}

// GoString prints the name as a generated program writes it.
func (i ISA) GoString() string {
	switch i {
	case Portable:
		return "kernel.Portable"
	case AVX2:
		return "kernel.AVX2"
	case AVX512:
		return "kernel.AVX512"
	case NEON:
		return "kernel.NEON"
	}
	return fmt.Sprintf("kernel.ISA(%d)", uint8(i))
}

// Available lists the tiers that this machine and operating system can run,
// slowest first. Portable is always there.
func Available() []ISA { return append([]ISA(nil), available...) }

var available = detect()

func (i ISA) ok() bool {
	for _, a := range available {
		if a == i {
			return true
		}
	}
	return false
}

// ParseISA is the tier of that name; "" and "best" stand for the fastest that
// the machine has. A tier that the machine lacks is an error.
func ParseISA(name string) (ISA, error) {
	if name == "" || name == "best" {
		return available[len(available)-1], nil
	}
	for i, n := range isaNames {
		if n == strings.ToLower(name) {
			if !ISA(i).ok() {
				return Portable, fmt.Errorf("this machine cannot run %s kernels; it has %s", n, names(available))
			}
			return ISA(i), nil
		}
	}
	return Portable, fmt.Errorf("unknown instruction set %q; it is one of %s", name, strings.Join(isaNames[:], ", "))
}

// Best is the tier to run: the fastest that the machine has, or the one that
// the environment variable INCC_ISA names. It is an error to name one that the
// machine lacks.
func Best() (ISA, error) {
	isa, err := ParseISA(os.Getenv("INCC_ISA"))
	if err != nil {
		return isa, fmt.Errorf("INCC_ISA: %w", err)
	}
	return isa, nil
}

func names(l []ISA) string {
	var s []string
	for _, i := range l {
		s = append(s, i.String())
	}
	return strings.Join(s, ", ")
}

// vnniOff reports whether the environment asks for kernels as on a processor without instructions for
// sums of products of bytes (VNNI; dotprod and i8mm on arm64), for tests and comparisons.
func vnniOff() bool { return os.Getenv("INCC_VNNI") == "off" }

package train

import (
	"context"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
)

// TestPortableTrainingIsPinned: the portable tier trains to the same weights on every
// architecture, of 32 or 64 bits, little or big endian. The hash changes only where an
// algorithm does.
func TestPortableTrainingIsPinned(t *testing.T) {
	const pinned = "6aeb92a3aea0af91db4fd07c1935add4323c0f1065b9ed15560f55411518dbd0"
	fs := newMemFS()
	e := cpuEngine(t, cpu.Options{ISA: "portable", Threads: 1})
	if _, err := Run(context.Background(), e, testConfig(t, fs)); err != nil {
		t.Fatal(err)
	}
	if got := fingerprint(t, e); got != pinned {
		t.Errorf("the weights have the SHA-256 %s, pinned is %s", got, pinned)
	}
}

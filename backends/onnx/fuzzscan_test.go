package onnx

import (
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// FuzzScan: decoding bytes that pass scan takes at most the memory that the limits allow.
func FuzzScan(f *testing.F) {
	b, err := proto.Marshal(inline(tiny()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(nest([]byte{8, 1}, 7, 70))                          // graphs in graphs
	f.Add([]byte("\x08\x01\x3a\x06\x2a\x04\x08\x02\x10\x01")) // one tensor
	f.Fuzz(func(t *testing.T, b []byte) {
		if scan(b) != nil {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = proto.Unmarshal(b, new(onnxpb.ModelProto))
		runtime.ReadMemStats(&after)
		if n, most := after.TotalAlloc-before.TotalAlloc, uint64(costBase+costFactor*len(b)+1<<20); n > most {
			t.Fatalf("%d bytes decode to %d, want at most %d", len(b), n, most)
		}
	})
}

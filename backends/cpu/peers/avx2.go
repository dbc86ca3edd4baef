package peers

import (
	"bytes"
	"errors"
)

// HoldToAVX2 changes the bytes of ONNX Runtime's library for amd64 so that it runs its AVX2
// kernels on a processor that has AVX-512, as it does on one that has not. incc's AVX2 tier
// is compared with that.
//
// The library asks the operating system, by the instruction XGETBV, which registers it
// saves. Behind each XGETBV stands "mov eax, eax", which does nothing there; it becomes
// "and al, 0x1f", which clears the three bits of AVX-512's registers. Nothing else changes.
func HoldToAVX2(library []byte) error {
	ask := []byte{0x0f, 0x01, 0xd0, 0x89, 0xc0} // xgetbv; mov eax, eax
	if !bytes.Contains(library, ask) {
		return errors.New("this library of ONNX Runtime does not ask for AVX-512 in the known way")
	}
	for i := bytes.Index(library, ask); i >= 0; i = bytes.Index(library, ask) {
		copy(library[i+3:], []byte{0x24, 0x1f}) // and al, 0x1f
	}
	return nil
}

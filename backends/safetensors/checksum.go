package safetensors

import (
	"fmt"
	"hash/crc32"
	"io"
)

// checksumKey is the metadata with the checksum of a file: eight hexadecimal digits of the
// sum, modulo 2^32, of the CRC-32C of each tensor. That of a tensor is taken of its name, a
// byte of 0, and its data. The sum does not depend on the order of the tensors, so a program
// may write the same tensors and metadata again.
const checksumKey = "incc.crc32c"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum adds up the CRCs of the tensors that a TensorWriter writes into it.
type checksum struct{ sum, tensor uint32 }

// begin starts a tensor.
func (c *checksum) begin(name string) {
	c.tensor = crc32.Update(0, castagnoli, append([]byte(name), 0))
}

// Write takes data of the tensor.
func (c *checksum) Write(b []byte) (int, error) {
	c.tensor = crc32.Update(c.tensor, castagnoli, b)
	return len(b), nil
}

// end adds the tensor to the sum.
func (c *checksum) end() { c.sum += c.tensor }

func (c *checksum) String() string { return fmt.Sprintf("%08x", c.sum) }

// checksumOf returns the checksum of tensors whose values get returns.
func checksumOf(tensors []TensorInfo, get func(dst []float32, i int) error) (string, error) {
	t, err := NewTensorWriter(io.Discard, nil, tensors)
	if err != nil {
		return "", err
	}
	c := &checksum{}
	t.w = c
	for i, in := range tensors {
		c.begin(in.Name)
		if err := t.copy(in, i, get); err != nil {
			return "", err
		}
		c.end()
	}
	return c.String(), t.Close()
}

// Verify reads all data and compares them with the checksum in the metadata of the file. It
// returns nil for a file without one.
func (t *Tensors) Verify() error {
	want, ok := t.meta[checksumKey]
	if !ok {
		return nil
	}
	c := &checksum{}
	var buf []byte
	for i := range t.list {
		info := &t.list[i]
		c.begin(info.Name)
		for at := info.begin; at < info.end; {
			n := min(info.end-at, 1<<20)
			if t.mem != nil {
				n = info.end - at
				_, _ = c.Write(t.mem[at:info.end])
			} else {
				if int64(len(buf)) < n {
					buf = make([]byte, n)
				}
				if err := readFull(t.src, buf[:n], t.base+at); err != nil {
					return fmt.Errorf("safetensors: tensor %q: %w", info.Name, err)
				}
				_, _ = c.Write(buf[:n])
			}
			at += n
		}
		c.end()
	}
	if got := c.String(); got != want {
		return fmt.Errorf("safetensors: the checksum of the tensors is %s, but the metadata key %s says %.20q: the file is damaged, or a program changed tensors and kept the metadata (then remove that key)", got, checksumKey, want)
	}
	return nil
}

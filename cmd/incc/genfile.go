package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/safetensors"
)

// genFile is a generated file: its path on the disk and its contents, which are data or
// weights.
type genFile struct {
	path    string
	data    []byte
	weights *weightsFile // of the file with the weights of the package, nil for others
}

// weightsFile is the contents of a safetensors file. There is no copy of its bytes in memory:
// it is written from the arrays of the network.
type weightsFile struct {
	meta   map[string]string
	infos  []safetensors.TensorInfo
	data   [][]float32       // the elements of each tensor
	narrow map[string][]byte // in place of data: of tensors that are not F32
}

// writeTo writes the contents.
func (f *weightsFile) writeTo(w io.Writer) error {
	out, err := safetensors.NewTensorWriter(w, f.meta, f.infos)
	if err != nil {
		return err
	}
	for i, t := range f.infos {
		if b := f.narrow[t.Name]; b != nil {
			err = out.Bytes(t.Name, b)
		} else {
			err = out.Float32s(t.Name, f.data[i])
		}
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// bytes returns the contents.
func (f *weightsFile) bytes() ([]byte, error) {
	var b bytes.Buffer
	err := f.writeTo(&b)
	return b.Bytes(), err
}

// size returns the length of the contents in bytes.
func (f *weightsFile) size() int64 {
	var header bytes.Buffer
	if _, err := safetensors.NewTensorWriter(&header, f.meta, f.infos); err != nil {
		return 0 // writeTo returns the error
	}
	n := int64(header.Len())
	for i, t := range f.infos {
		if b := f.narrow[t.Name]; b != nil {
			n += int64(len(b))
		} else {
			n += 4 * int64(len(f.data[i]))
		}
	}
	return n
}

func (f *genFile) writeTo(w io.Writer) error {
	if f.weights != nil {
		return f.weights.writeTo(w)
	}
	_, err := w.Write(f.data)
	return err
}

func (f *genFile) size() int64 {
	if f.weights != nil {
		return f.weights.size()
	}
	return int64(len(f.data))
}

// onDisk reports whether the file is on the disk with exactly these contents. It reads the
// disk in pieces, and no file of another size.
func (f *genFile) onDisk() bool {
	if info, err := os.Stat(f.path); err != nil || info.Size() != f.size() {
		return false
	}
	disk, _, err := files.Open(f.path)
	if err != nil {
		return false
	}
	defer disk.Close()
	c := &comparer{r: bufio.NewReaderSize(disk, 1<<16), buf: make([]byte, 1<<16)}
	if err := f.writeTo(c); err != nil {
		return false
	}
	_, err = c.r.ReadByte()
	return errors.Is(err, io.EOF)
}

// comparer is a writer that fails where what is written differs from what a reader holds.
type comparer struct {
	r   *bufio.Reader
	buf []byte
}

var errDiffers = errors.New("the contents differ")

func (c *comparer) Write(p []byte) (int, error) {
	for at := 0; at < len(p); {
		n := min(len(p)-at, len(c.buf))
		if _, err := io.ReadFull(c.r, c.buf[:n]); err != nil {
			return at, err
		}
		if !bytes.Equal(c.buf[:n], p[at:at+n]) {
			return at, errDiffers
		}
		at += n
	}
	return len(p), nil
}

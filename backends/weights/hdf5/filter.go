package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
)

// Filters that are known (section IV.A.2.l).
const (
	filterGzip     = 1
	filterShuffle  = 2
	filterFletcher = 3
)

// filters lists the filters of an array, in the order in which they were applied.
func (o *Object) filters() (list []int, err error) {
	c, err := o.message(msgFilters, "filters")
	if c == nil || err != nil {
		return nil, err
	}
	version, n := c.byte(), c.byte()
	if version == 1 {
		c.bytes(6)
	}
	for range n {
		id, name := c.u16(), 0
		if version == 1 || id >= 256 {
			name = c.u16()
		}
		c.bytes(2) // flags
		values := c.u16()
		if version == 1 {
			name = (name + 7) / 8 * 8
			values += values % 2
		}
		c.bytes(name + 4*values)
		if err := c.err(); err != nil {
			return nil, err
		}
		switch id {
		case filterGzip, filterShuffle, filterFletcher:
		default:
			return nil, c.fail("filter %d is not read (want gzip, shuffle, Fletcher32)", id)
		}
		list = append(list, id)
	}
	if len(list) > 8 {
		return nil, c.fail("there are %d filters (want at most 8)", len(list))
	}
	return list, nil
}

// unfilter reads a chunk and undoes its filters. The result has size bytes.
func (f *File) unfilter(k chunk, filters []int, size, width int) ([]byte, error) {
	b := make([]byte, k.size)
	if n, err := f.src.ReadAt(b, int64(k.at)); n < len(b) {
		return nil, err
	}
	for i := len(filters) - 1; i >= 0; i-- {
		if k.mask>>i&1 != 0 {
			continue
		}
		switch filters[i] {
		case filterGzip:
			z, err := zlib.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, blockError(k.at, "chunk", "gzip: %v", err)
			}
			out := make([]byte, size+5) // Fletcher32 before gzip adds 4 bytes
			n, err := io.ReadFull(z, out)
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, blockError(k.at, "chunk", "gzip: %v", err)
			}
			b = out[:n]
		case filterShuffle:
			b = unshuffled(b, width)
		case filterFletcher:
			if len(b) < 4 {
				return nil, blockError(k.at, "chunk", "it has %d bytes", len(b))
			}
			sum := binary.LittleEndian.Uint32(b[len(b)-4:])
			if b = b[:len(b)-4]; fletcher(b) != sum>>16%65535<<16|sum&0xffff%65535 {
				return nil, blockError(k.at, "chunk", "its checksum does not fit: the file is damaged")
			}
		}
	}
	if len(b) != size {
		return nil, blockError(k.at, "chunk", "it has %d bytes, want %d", len(b), size)
	}
	return b, nil
}

// unshuffled puts the bytes of elements together: the filter stores all first bytes, then all
// second ones, and so on. What is left of the last element stays at the end.
func unshuffled(b []byte, width int) []byte {
	n := len(b) / width
	out := make([]byte, len(b))
	for i := range n {
		for j := range width {
			out[i*width+j] = b[j*n+i]
		}
	}
	copy(out[n*width:], b[n*width:])
	return out
}

// fletcher computes the checksum of HDF5: sums of 16-bit words, big endian, modulo 65535.
func fletcher(b []byte) uint32 {
	var a, s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		a = (a + w) % 65535
		s = (s + a) % 65535
	}
	return s<<16 | a
}

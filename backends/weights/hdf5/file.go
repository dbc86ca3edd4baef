package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// undefined is the address that says that there is no block.
const undefined = ^uint64(0)

// File is an open file.
type File struct {
	src    io.ReaderAt
	size   int64  // of the file, from the superblock on
	root   uint64 // the address of the root group
	left   int64  // bytes of structure that may still be read
	array  int64  // bytes of chunked arrays that may still be declared
	chunks int64  // chunks that may still be listed

	lastHeap   map[int][]byte // the objects of the global heap at lastHeapAt
	lastHeapAt uint64
}

// blockError is an error in a structure of the file.
func blockError(at uint64, what, format string, args ...any) error {
	return fmt.Errorf("HDF5: %s at byte %d: %s", what, at, fmt.Sprintf(format, args...))
}

// begin returns where the signature of HDF5 stands: at byte 0, or behind a user block, at byte 512,
// 1024, 2048 and so on. It returns -1 if there is none.
func begin(src io.ReaderAt, size int64) (int64, error) {
	const signature = "\x89HDF\r\n\x1a\n"
	head := make([]byte, 8)
	for at := int64(0); at+8 <= size; at = max(512, 2*at) {
		if _, err := src.ReadAt(head, at); err != nil && !errors.Is(err, io.EOF) {
			return -1, err
		}
		if string(head) == signature {
			return at, nil
		}
	}
	return -1, nil
}

// Is reports whether a file of size bytes is one of HDF5, which may begin with a user block.
func Is(src io.ReaderAt, size int64) bool {
	at, err := begin(src, size)
	return err == nil && at >= 0
}

// Open reads the superblock of a file of size bytes.
func Open(src io.ReaderAt, size int64) (*File, error) {
	begin, err := begin(src, size)
	if err != nil {
		return nil, err
	}
	if begin < 0 {
		return nil, errors.New("not an HDF5 file: the signature is missing")
	}
	f := &File{src: io.NewSectionReader(src, begin, size-begin), size: size - begin, left: 4*size + 64<<20, array: 2*size + 64<<20, chunks: size/32 + 100_000}
	return f, f.superblock(uint64(begin))
}

func (f *File) superblock(begin uint64) error {
	const what = "superblock"
	b, err := f.read(0, 48, what)
	if err != nil {
		return err
	}
	version := b[8]
	at, sizes := 16, 13 // of the base address, and of the sizes of offsets and lengths
	switch version {
	case 0:
		at += 8
	case 1:
		at += 12
	case 2, 3:
		at, sizes = 12, 9
	default:
		return blockError(0, what, "version %d is not read (want 0 to 3)", version)
	}
	if b[sizes] != 8 || b[sizes+1] != 8 {
		return blockError(0, what, "offsets of %d and lengths of %d bytes are not read (want 8)", b[sizes], b[sizes+1])
	}
	if base := binary.LittleEndian.Uint64(b[at:]); base != begin {
		return blockError(0, what, "the base address is %d (want %d)", base, begin)
	}
	if version >= 2 {
		f.root = binary.LittleEndian.Uint64(b[36:])
		return nil
	}
	// After the base address: the free space, the end of the file, the driver, and the symbol
	// table entry of the root, whose second word is the address of its header.
	if b, err = f.read(uint64(at)+40, 8, what); err != nil {
		return err
	}
	f.root = binary.LittleEndian.Uint64(b)
	return nil
}

// read returns n bytes of structure. what names the structure in errors.
func (f *File) read(at, n uint64, what string) ([]byte, error) {
	if at > uint64(f.size) || n > uint64(f.size)-at {
		return nil, blockError(at, what, "%d bytes are not inside the file, which has %d", n, f.size)
	}
	if f.left -= int64(n) + 16; f.left < 0 {
		return nil, blockError(at, what, "the blocks of the file are read again and again: it is damaged")
	}
	b := make([]byte, n)
	if _, err := f.src.ReadAt(b, int64(at)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// block reads n bytes of structure that begin with a signature.
func (f *File) block(at, n uint64, signature string) (*cursor, error) {
	what := names[signature]
	b, err := f.read(at, n, what)
	if err != nil {
		return nil, err
	}
	c := &cursor{b: b, begin: at, what: what}
	if string(c.bytes(len(signature))) != signature {
		return nil, blockError(at, what, "the signature %s is missing", signature)
	}
	return c, nil
}

// names are those of the structures with signatures.
var names = map[string]string{"TREE": "B-tree", "SNOD": "symbol table node", "HEAP": "local heap", "GCOL": "global heap", "FRHP": "fractal heap",
	"FHIB": "indirect block", "BTHD": "B-tree of version 2", "BTLF": "leaf of a B-tree", "BTIN": "node of a B-tree",
	"OHDR": "object header", "OCHK": "continuation of an object header", "FAHD": "fixed array", "FADB": "data block of a fixed array"}

// cursor reads numbers of a block one after the other. After the first read beyond the end
// all are 0, and err returns an error.
type cursor struct {
	b     []byte
	at    int
	begin uint64 // of b in the file
	what  string
	short bool
}

// bytes returns the next n bytes, which are those of the block, not a copy.
func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.b)-c.at {
		c.short = true
		c.at = len(c.b)
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

// uint returns the next number of n bytes, little endian.
func (c *cursor) uint(n int) uint64 {
	var x uint64
	for i, b := range c.bytes(n) {
		x |= uint64(b) << (8 * i)
	}
	return x
}

func (c *cursor) byte() int    { return int(c.uint(1)) }
func (c *cursor) u16() int     { return int(c.uint(2)) }
func (c *cursor) u32() int     { return int(c.uint(4)) }
func (c *cursor) addr() uint64 { return c.uint(8) }

// left returns the number of bytes that are left.
func (c *cursor) left() int { return len(c.b) - c.at }

// err returns an error if more was read than the block has.
func (c *cursor) err() error {
	if c.short {
		return blockError(c.begin, c.what, "it ends after %d bytes, too early", len(c.b))
	}
	return nil
}

// fail returns an error about the block.
func (c *cursor) fail(format string, args ...any) error {
	return blockError(c.begin, c.what, format, args...)
}

// Package zipfile reads members of ZIP archives at random, without unpacking them to memory:
// the archives of torch.save, numpy.savez and Keras. It is safe for untrusted archives: the
// memory that it takes is bounded by the number of members.
package zipfile

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/incc-lang/incc/ir/diag"
)

// maxMembers is the number of members that an archive may have.
const maxMembers = 200_000

// Archive is an open archive.
type Archive struct {
	src    io.ReaderAt
	list   []*zip.File
	byName map[string]*zip.File
}

// Open reads the directory of an archive of size bytes.
func Open(src io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(src, size)
	if err != nil {
		return nil, fmt.Errorf("not a usable ZIP archive: %w", err)
	}
	if len(z.File) > maxMembers {
		return nil, fmt.Errorf("the archive has %d members (want at most %d)", len(z.File), maxMembers)
	}
	a := &Archive{src: src, list: z.File, byName: map[string]*zip.File{}}
	for _, f := range z.File {
		if a.byName[f.Name] != nil {
			return nil, fmt.Errorf("the archive has two members %s", diag.Quote(f.Name))
		}
		a.byName[f.Name] = f
	}
	return a, nil
}

// Members lists the members in the order of the archive.
func (a *Archive) Members() []*zip.File { return a.list }

// Entry returns the member with a name, or nil.
func (a *Archive) Entry(name string) *zip.File { return a.byName[name] }

// Find returns the first member whose name is accepted, or nil.
func (a *Archive) Find(accept func(name string) bool) *zip.File {
	for _, f := range a.list {
		if accept(f.Name) {
			return f
		}
	}
	return nil
}

// Open reads a member from its beginning.
func (a *Archive) Open(f *zip.File) (io.ReadCloser, error) { return f.Open() }

// Read returns the contents of a member. It returns an error for more than limit bytes.
func (a *Archive) Read(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("member %s holds more than %d bytes", diag.Quote(f.Name), limit)
	}
	return b, err
}

// At reads a member at random. If the member is compressed, reading is fast only from
// lower to higher offsets. It is safe for concurrent use.
func (a *Archive) At(f *zip.File) (io.ReaderAt, error) {
	at, err := f.DataOffset()
	if err != nil {
		return nil, err
	}
	n := int64(f.CompressedSize64)
	if n < 0 || at < 0 {
		return nil, errors.New("a member of the archive has no valid size")
	}
	section := io.NewSectionReader(a.src, at, n)
	switch f.Method {
	case zip.Store:
		if f.CompressedSize64 != f.UncompressedSize64 {
			return nil, fmt.Errorf("member %s is stored, but its sizes differ", diag.Quote(f.Name))
		}
		return section, nil
	case zip.Deflate:
		// Deflate makes at most 1032 bytes of one.
		if f.UncompressedSize64/1032 > f.CompressedSize64 {
			return nil, fmt.Errorf("member %s cannot hold the %d bytes that it declares", diag.Quote(f.Name), f.UncompressedSize64)
		}
		return &inflater{src: section}, nil
	}
	return nil, fmt.Errorf("member %s is compressed by method %d (want stored or deflated)", diag.Quote(f.Name), f.Method)
}

// inflater decompresses a member. It goes on where the last read ended, or begins again for
// a read before that.
type inflater struct {
	src *io.SectionReader

	mu sync.Mutex
	r  io.ReadCloser
	at int64
}

// ReadAt implements io.ReaderAt.
func (f *inflater) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.r == nil || off < f.at {
		f.r, f.at = flate.NewReader(bufio.NewReader(io.NewSectionReader(f.src, 0, f.src.Size()))), 0
	}
	if off > f.at {
		n, err := io.CopyN(io.Discard, f.r, off-f.at)
		if f.at += n; err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(f.r, p)
	f.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

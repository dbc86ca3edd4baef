package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotRegular is wrapped by errors about pipes, devices, sockets and directories.
var ErrNotRegular = errors.New("want a regular file")

// Regular returns nil for a regular file, else an error that says what kind of file it is.
// name is the path in the error.
func Regular(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s is %s (%w)", name, kind(info.Mode()), ErrNotRegular)
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a special file"
}

// Open opens a regular file, or a symbolic link to one, for reading, and returns
// its size. It never waits: a named pipe or a device is an error, and so is a pointer of
// Git LFS (a PointerError).
func Open(path string) (*os.File, int64, error) {
	f, info, err := open(path, false)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// open opens a regular file or, if dirs is set, a directory.
func open(path string, dirs bool) (*os.File, fs.FileInfo, error) {
	allowed := func(info fs.FileInfo) error {
		if dirs && info.IsDir() {
			return nil
		}
		return Regular(path, info)
	}
	// Opening some devices has side effects, so check the kind of the file before.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := allowed(info); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openNoWait, 0)
	if err != nil {
		return nil, nil, err
	}
	// The path may name another file by now, so check the open file as well.
	if info, err = f.Stat(); err == nil {
		err = allowed(info)
	}
	if err == nil && info.Mode().IsRegular() {
		err = pointer(f, path, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// PointerError says that a file is the pointer that Git LFS has in the place of a file which
// was not fetched.
type PointerError struct{ Path string }

func (e *PointerError) Error() string {
	return e.Path + " is a pointer of Git LFS, not the file itself: run git lfs pull where it comes from"
}

// pointerHead begins the pointers of Git LFS, which have at most pointerBytes
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
const (
	pointerHead  = "version https://git-lfs.github.com/spec/v1\n"
	pointerBytes = 1024
)

// pointer returns an error if a file is a pointer of Git LFS.
func pointer(f io.ReaderAt, path string, size int64) error {
	if size < int64(len(pointerHead)) || size >= pointerBytes {
		return nil
	}
	head := make([]byte, len(pointerHead))
	if n, err := f.ReadAt(head, 0); n == len(head) && string(head) == pointerHead {
		return &PointerError{path}
	} else if err != nil && err != io.EOF {
		return err
	}
	return nil
}

// OpenIn opens a file in a root folder. Symbolic links cannot lead out of that folder. It
// does not wait for the other end of a named pipe. The caller must check the kind of the
// file with Regular.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|openNoWait, 0)
}

// Read reads a regular file. It returns an error if the file has more than limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, path, size, limit)
}

// read reads a file of a known size. It returns an error if the size has changed.
func read(r io.Reader, name string, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%s holds %d bytes; at most %d are read", name, size, limit)
	}
	b := make([]byte, size+1)
	switch n, err := io.ReadFull(r, b); {
	case err == nil:
		return nil, fmt.Errorf("%s grew while it was read", name)
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, err
	case int64(n) < size:
		return nil, fmt.Errorf("%s became shorter while it was read", name)
	}
	return b[:size:size], nil
}

// OpenFS is Open for a file of a file system.
func OpenFS(fsys fs.FS, name string) (fs.File, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil {
		err = Regular(name, info)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// ReadFS is Read for a file of a file system.
func ReadFS(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, size, err := OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, name, size, limit)
}

// Dir returns a folder as a file system, as os.DirFS does, but opens files as Open does:
// pipes and devices are errors.
func Dir(path string) fs.FS { return dir(path) }

type dir string

// path returns the path of a name in the file system. It returns an error if fs.ValidPath
// does not accept the name.
func (d dir) path(op, name string) (string, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(string(d), local), nil
}

func (d dir) Open(name string) (fs.File, error) {
	p, err := d.path("open", name)
	if err != nil {
		return nil, err
	}
	f, _, err := open(p, true)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat implements fs.StatFS. It does not open the file.
func (d dir) Stat(name string) (fs.FileInfo, error) {
	p, err := d.path("stat", name)
	if err != nil {
		return nil, err
	}
	return os.Stat(p)
}

// ReadDir implements fs.ReadDirFS.
func (d dir) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := d.path("readdir", name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(p)
}

// Sub implements fs.SubFS.
func (d dir) Sub(name string) (fs.FS, error) {
	p, err := d.path("sub", name)
	if err != nil {
		return nil, err
	}
	return dir(p), nil
}

package safetensors

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is the part of a file system that a training run needs. Tests put one in its
// place that fails.
type FS interface {
	MkdirAll(dir string) error
	// Create makes a new file for writing.
	Create(path string) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes renames in a folder last.
	SyncDir(dir string) error
	// List returns the names in a folder, in order.
	List(dir string) ([]string, error)
}

// File is a file that is being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Disk is the real file system.
type Disk struct{}

// MkdirAll makes a folder and those above it.
func (Disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o755) }

// Create makes a new file. A file or a symbolic link at the path is removed first, not
// written to. Anything else there, such as a folder or a pipe, is an error.
func (Disk) Create(path string) (File, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return nil, fmt.Errorf("%s exists and is not a regular file", path)
	case err == nil:
		err = os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Rename moves a file over another, which leaves its permissions to it. A symbolic
// link under the new name is replaced.
func (Disk) Rename(from, to string) error {
	if info, err := os.Lstat(to); err == nil && info.Mode().IsRegular() {
		if err := os.Chmod(from, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return os.Rename(from, to)
}

// Remove deletes a file.
func (Disk) Remove(path string) error { return os.Remove(path) }

// SyncDir flushes a folder. Windows cannot, and its renames last without.
func (Disk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && filepath.Separator == '/' {
		return err
	}
	return nil
}

// List returns the names in a folder.
func (Disk) List(dir string) ([]string, error) {
	es, err := os.ReadDir(dir)
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names, err
}

// WriteFile writes a file so that after a crash at any moment the old one is
// there or the new one: to a temporary name in the same folder, synced, renamed,
// the folder synced.
func WriteFile(disk FS, path string, write func(io.Writer) error) error {
	tmp := path + ".tmp"
	f, err := disk.Create(tmp)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = disk.Rename(tmp, path)
	}
	if err != nil {
		// What could not be removed is written over the next time.
		_ = disk.Remove(tmp)
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}

// WriteTensors writes a safetensors file of float32s so that the old file or the
// new one is there after a crash. get writes the values of tensor i into dst; it is called
// twice for each, and returns the same values. The file has a checksum (see
// [Tensors.Verify]).
func WriteTensors(disk FS, path string, meta map[string]string, tensors []TensorInfo, get func(dst []float32, i int) error) error {
	sum, err := checksumOf(tensors, get)
	if err != nil {
		return err
	}
	return WriteFile(disk, path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := encode(b, meta, sum, tensors, get); err != nil {
			return err
		}
		return b.Flush()
	})
}

// SaveTensors is WriteTensors on the disk for a path that a user has named: a
// symbolic link stays, and the file that it leads to is written. A path to anything
// else than a regular file is an error.
func SaveTensors(path string, meta map[string]string, tensors []TensorInfo, get func(dst []float32, i int) error) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		info, err = os.Lstat(path)
	}
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return WriteTensors(Disk{}, path, meta, tensors, get)
}

// EncodeTensors writes what WriteTensors writes, without a checksum. It calls get once for
// each tensor.
func EncodeTensors(w io.Writer, meta map[string]string, tensors []TensorInfo, get func(dst []float32, i int) error) error {
	return encode(w, meta, "", tensors, get)
}

func encode(w io.Writer, meta map[string]string, sum string, tensors []TensorInfo, get func(dst []float32, i int) error) error {
	t, err := newTensorWriter(w, meta, sum, tensors)
	if err != nil {
		return err
	}
	for i, in := range tensors {
		if err := t.copy(in, i, get); err != nil {
			return err
		}
	}
	return t.Close()
}

// copy writes tensor i, whose values get returns.
func (t *TensorWriter) copy(in TensorInfo, i int, get func(dst []float32, i int) error) error {
	v := make([]float32, in.Elements())
	if err := get(v, i); err != nil {
		return err
	}
	return t.Float32s(in.Name, v)
}

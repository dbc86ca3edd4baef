package files

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Write writes what the callback gives to the file at path.
//
// A regular file is written whole or not at all: to a temporary file in the same
// folder, flushed to the disk, then renamed. Symbolic links are kept; the file
// that they lead to is the one that is written. A file that exists keeps its
// permissions and its owner, a new one gets 0666 without the bits of the umask. A
// file with other hard links is replaced under this name only: the others keep
// the old content. Where the folder takes no new files, or the owner cannot be
// kept, an existing file is written in place.
//
// Everything else (a pipe, a device, an open descriptor such as /dev/stdout or
// /dev/fd/3) is opened and written to. It is never replaced.
func Write(path string, write func(io.Writer) error) error {
	t, err := resolve(path)
	if err == nil {
		t.name = path
		err = t.write(write)
	}
	return named(err, path)
}

// Replace is Write for the files of a folder that a program keeps for itself, which
// may have come from somebody else: a symbolic link at the path is replaced by the
// file, and what it leads to does not change. Anything else that is not a regular
// file is an error.
func Replace(path string, write func(io.Writer) error) error {
	info, err := Replaceable(path)
	if err == nil {
		err = target{name: path, path: path, fd: -1, info: info}.replace(write)
	}
	return named(err, path)
}

// Replaceable refuses a path where Replace writes no file. It returns the regular
// file there, or nil for a link or nothing.
func Replaceable(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, nil
	}
	return info, Regular(path, info)
}

func (t target) write(write func(io.Writer) error) error {
	switch {
	case t.fd >= 0:
		return t.stream(descriptorFile(t.fd), write)
	case t.info == nil:
		return t.replace(write)
	case t.info.IsDir():
		return errors.New("it is a folder, not a file")
	case t.info.Mode().IsRegular() && !t.inPlace:
		return t.replace(write)
	}
	return t.writeInPlace(write)
}

// Descriptor returns the number of the open file that path names, through links
// as well: 1 for /dev/stdout. ok is false for every other path.
func Descriptor(path string) (fd int, ok bool) {
	t, err := resolve(path)
	return t.fd, err == nil && t.fd >= 0
}

// Resolve follows the symbolic links of a path to a file that exists or is to be
// made.
func Resolve(path string) (string, error) {
	t, err := resolve(path)
	return t.path, named(err, path)
}

// Same reports whether two paths lead to one file.
func Same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// target is what a path leads to.
type target struct {
	name    string      // as the user gave it
	path    string      // behind all symbolic links
	fd      int         // an open descriptor of this process, else -1
	info    fs.FileInfo // nil if nothing is there yet
	inPlace bool        // it cannot be replaced under this path
}

// maxLinks is how many symbolic links are followed, as Linux has it.
const maxLinks = 40

// resolve follows the symbolic links of a path. filepath.EvalSymlinks would not do:
// a link may lead to a file that is to be made, or to an open descriptor.
func resolve(path string) (target, error) {
	at := path
	for range maxLinks {
		if fd, ok := descriptor(at); ok {
			return target{path: at, fd: fd}, nil
		}
		dir, base := filepath.Split(at)
		if base == "" || base == "." || base == ".." {
			fi, err := os.Stat(at)
			return target{path: at, fd: -1, info: fi, inPlace: true}, err
		}
		if dir == "" {
			dir = "."
		}
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return target{fd: -1}, err
		}
		at = filepath.Join(real, base)
		if fd, ok := descriptor(at); ok {
			return target{path: at, fd: fd}, nil
		}
		fi, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return settle(path, target{path: at, fd: -1}), nil
		case err != nil:
			return target{fd: -1}, err
		case fi.Mode()&fs.ModeSymlink == 0:
			return settle(path, target{path: at, fd: -1, info: fi}), nil
		}
		link, err := os.Readlink(at)
		if err != nil {
			return target{fd: -1}, err
		}
		if !filepath.IsAbs(link) {
			// No filepath.Join: it would take the .. of a link out of the text.
			link = real + string(filepath.Separator) + link
		}
		at = link
	}
	return target{fd: -1}, fmt.Errorf("more than %d symbolic links", maxLinks)
}

// settle checks that the text of the links led to the file that the system finds
// under the path. It does not for links of /proc to open files, whose text is only
// a description: those files are opened under the path itself.
func settle(path string, t target) target {
	fi, err := os.Stat(path)
	if err != nil || t.info != nil && os.SameFile(t.info, fi) {
		return t
	}
	return target{path: path, fd: -1, info: fi, inPlace: true}
}

var descriptorPath = regexp.MustCompile(`^(?:/dev/fd|/proc/(self|thread-self|\d+)(?:/task/\d+)?/fd)/(\d+)$`)

// descriptor tells whether a path is a name of an open file of this process.
func descriptor(path string) (fd int, ok bool) {
	switch path {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	m := descriptorPath.FindStringSubmatch(path)
	if m == nil || m[1] != "" && m[1][0] <= '9' && m[1] != strconv.Itoa(os.Getpid()) {
		return -1, false
	}
	fd, err := strconv.Atoi(m[2])
	return fd, err == nil
}

// descriptors keeps the files that descriptorFile made: a file that the garbage
// collector frees closes its descriptor, which is not ours.
var descriptors []*os.File

func descriptorFile(fd int) *os.File {
	switch fd {
	case 1:
		return os.Stdout
	case 2:
		return os.Stderr
	}
	f := os.NewFile(uintptr(fd), "descriptor "+strconv.Itoa(fd))
	descriptors = append(descriptors, f)
	return f
}

// stream writes through a buffer.
func (t target) stream(f *os.File, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(namedWriter{f, t.name}, 1<<20)
	if err := write(b); err != nil {
		return &callbackError{err}
	}
	return b.Flush()
}

// writeInPlace opens what is there and writes to it.
func (t target) writeInPlace(write func(io.Writer) error) error {
	f, err := os.OpenFile(t.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	err = t.stream(f, write)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil && t.info.Mode().IsRegular() {
		err = fmt.Errorf("%w; the file is incomplete", err)
	}
	return err
}

// replace writes a temporary file beside the target and renames it.
func (t target) replace(write func(io.Writer) error) (err error) {
	perm := fs.FileMode(0o666) // the system takes the umask off
	if t.info != nil {
		// A file that may not be written may not be replaced either.
		f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		perm = 0o600
	}
	f, err := createTemp(t.path, perm)
	if t.info != nil && (errors.Is(err, fs.ErrPermission) || readOnly(err)) {
		return t.writeInPlace(write)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if t.info != nil {
		if !keepOwner(f, t.info) {
			f.Close()
			os.Remove(f.Name())
			return t.writeInPlace(write)
		}
		if err := f.Chmod(t.info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := t.stream(f, write); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), t.path)
}

// createTemp makes a new file in the folder of path: .NAME.DIGITS. Tests replace it.
var createTemp = func(path string, perm fs.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	if len(base) > 200 { // names have at most 255 bytes
		base = base[:200]
	}
	for try := 0; ; try++ {
		name := filepath.Join(dir, "."+base+"."+strconv.FormatUint(uint64(rand.Uint32()), 10))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

// callbackError is an error of the callback, which is passed on as it is.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }
func (e *callbackError) Unwrap() error { return e.err }

// named has an error of the system name the path that the user gave, in place of
// the temporary file or the end of a link.
func named(err error, path string) error {
	var (
		c *callbackError
		p *fs.PathError
		l *os.LinkError
	)
	switch {
	case errors.As(err, &c):
		return err
	case errors.As(err, &p):
		p.Op, p.Path = "write", path
		return err
	case errors.As(err, &l):
		return &fs.PathError{Op: "write", Path: path, Err: l.Err}
	case err != nil:
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// namedWriter is named for every write.
type namedWriter struct {
	f    *os.File
	path string
}

func (w namedWriter) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	return n, named(err, w.path)
}

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

	"github.com/incc-lang/incc/ir/diag"
)

// Write writes a file. The callback write writes the contents.
//
// A regular file is written completely or not at all: Write writes a temporary file in the
// same folder, flushes it to the disk and renames it. If the path is a symbolic link, Write
// replaces the file that the link leads to and keeps the link. An existing file keeps its
// permissions and owner; a new file gets permissions 0666 minus the umask. If an existing
// file has other hard links, those keep the old contents. If the folder does not allow new
// files, or the owner cannot be kept, Write overwrites an existing file in place; after an
// error that file is incomplete, and the error says so.
//
// Anything that is not a regular file (a pipe, a device, an open descriptor such as
// /dev/stdout or /dev/fd/3) is opened and written to, and never replaced.
func Write(path string, write func(io.Writer) error) error {
	t, err := resolve(path)
	if err == nil {
		t.name = path
		err = t.write(write)
	}
	return named(err, path)
}

// Replace writes a file as Write does, except that it does not follow symbolic links: it
// replaces a link at path by the file. It is for folders that a program manages itself but
// that somebody else may have prepared. If path is anything other than a link or a regular
// file, Replace returns an error.
func Replace(path string, write func(io.Writer) error) error {
	info, err := Replaceable(path)
	if err == nil {
		err = target{name: path, path: path, fd: -1, info: info}.replace(write)
	}
	return named(err, path)
}

// Writable returns the error with which Write would fail to begin: in a folder that does not exist, or
// that may not be written. A command that works for long asks first. It changes nothing.
func Writable(path string) error {
	t, err := resolve(path)
	switch {
	case err != nil:
		return named(err, path)
	case t.fd >= 0:
		return nil
	case t.info == nil:
		f, err := createTemp(t.path, 0o600)
		if err != nil {
			return named(err, path)
		}
		f.Close()
		return os.Remove(f.Name())
	case t.info.IsDir():
		return fmt.Errorf("write %s: it is a folder, not a file", path)
	case t.info.Mode().IsRegular():
		f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
		if err != nil {
			return named(err, path)
		}
		return f.Close()
	}
	return nil
}

// Replaceable returns an error if Replace cannot write to path because of what is there.
// It returns the file info of a regular file at path, and nil for a link or if there is
// nothing.
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

// Descriptor returns the descriptor that path names, directly or through links: 1 for
// /dev/stdout. ok is false if path does not name an open descriptor of this process.
func Descriptor(path string) (fd int, ok bool) {
	t, err := resolve(path)
	return t.fd, err == nil && t.fd >= 0
}

// Resolve returns the path of a file after all symbolic links. The file itself need not
// exist.
func Resolve(path string) (string, error) {
	t, err := resolve(path)
	return t.path, named(err, path)
}

// Same reports whether two paths lead to the same existing file.
func Same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// target describes the file that a path leads to.
type target struct {
	name    string      // as the user gave it
	path    string      // after all symbolic links
	fd      int         // an open descriptor of this process, else -1
	info    fs.FileInfo // nil if the file does not exist
	inPlace bool        // whether the file must be overwritten in place, not replaced
}

// noFolderError reports that a file cannot be written because its folder does not exist.
type noFolderError struct{ dir string }

func (e *noFolderError) Error() string {
	return fmt.Sprintf("there is no folder %s: make it first, or name another", diag.Name(e.dir))
}
func (e *noFolderError) Unwrap() error { return fs.ErrNotExist }

// maxLinks is how many symbolic links resolve follows. Linux has the same limit.
const maxLinks = 40

// resolve follows the symbolic links of a path. It does not use filepath.EvalSymlinks for
// the whole path, because a link may lead to a file that does not exist yet, or to an open
// descriptor.
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
		if errors.Is(err, fs.ErrNotExist) {
			err = &noFolderError{filepath.Clean(dir)}
		}
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
			// filepath.Join would remove a .. of the link together with the element
			// before it, which may be a link itself.
			link = real + string(filepath.Separator) + link
		}
		at = link
	}
	return target{fd: -1}, fmt.Errorf("more than %d symbolic links", maxLinks)
}

// settle checks that t, which the text of the links led to, is the file that the system
// finds at path. It is another file for the links in /proc to open files, whose text only
// describes the file. settle then returns a target that opens path itself.
func settle(path string, t target) target {
	fi, err := os.Stat(path)
	if err != nil || t.info != nil && os.SameFile(t.info, fi) {
		return t
	}
	return target{path: path, fd: -1, info: fi, inPlace: true}
}

var descriptorPath = regexp.MustCompile(`^(?:/dev/fd|/proc/(self|thread-self|\d+)(?:/task/\d+)?/fd)/(\d+)$`)

// descriptor returns the descriptor of this process that a path such as /dev/fd/3 names. ok
// is false for other paths.
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

// descriptors keeps the files that descriptorFile makes, so that the garbage collector does
// not free them. That would close their descriptors, which belong to others.
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

// stream runs the callback with a buffered writer to f.
func (t target) stream(f *os.File, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(namedWriter{f, t.name}, 1<<20)
	if err := write(b); err != nil {
		return &callbackError{err}
	}
	return b.Flush()
}

// writeInPlace opens the existing file and writes to it.
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

// replace writes a temporary file in the folder of the target and renames it. If it cannot
// make a suitable temporary file, it overwrites an existing target in place.
func (t target) replace(write func(io.Writer) error) (err error) {
	perm := fs.FileMode(0o666) // the system subtracts the umask
	if t.info != nil {
		// A file without write permission must not be replaced either.
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

// createTemp makes a new file in the folder of path, called .NAME.DIGITS. Tests replace
// this function.
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

// callbackError wraps an error that the callback returned, which named does not change.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }
func (e *callbackError) Unwrap() error { return e.err }

// named makes an error name the path that the user gave, instead of the temporary file or
// the end of a link.
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

// namedWriter is a writer to f whose errors name path; see named.
type namedWriter struct {
	f    *os.File
	path string
}

func (w namedWriter) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	return n, named(err, w.path)
}

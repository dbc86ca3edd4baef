package data

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/files"
)

// maxCIFAR bounds the bytes of one file: six times those of CIFAR-100's largest.
const maxCIFAR = 1 << 30

// ReadCIFAR reads the binary files of CIFAR-10 (data_batch_1.bin to 5,
// test_batch.bin) or CIFAR-100 (train.bin, test.bin; the fine classes) from a
// folder.
func ReadCIFAR(dir fs.FS) (*Source, error) {
	if _, err := fs.Stat(dir, "data_batch_1.bin"); err == nil {
		var list []string
		for i := 1; i <= 5; i++ {
			list = append(list, fmt.Sprintf("data_batch_%d.bin", i))
		}
		names := cifarNames(dir, "batches.meta.txt", 10)
		train, err := readCIFARFiles(dir, list, 1, 10, names)
		if err != nil {
			return nil, err
		}
		test, err := readCIFARFiles(dir, []string{"test_batch.bin"}, 1, 10, names)
		return &Source{Train: train, Test: test}, err
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := cifarNames(dir, "fine_label_names.txt", 100)
	train, err := readCIFARFiles(dir, []string{"train.bin"}, 2, 100, names)
	if err != nil {
		return nil, fmt.Errorf("neither CIFAR-10 (data_batch_1.bin) nor CIFAR-100: %w", err)
	}
	test, err := readCIFARFiles(dir, []string{"test.bin"}, 2, 100, names)
	return &Source{Train: train, Test: test}, err
}

// readCIFARFiles reads records of one or two labels and a 3x32x32 image, all of bytes.
// The last label is the class.
func readCIFARFiles(dir fs.FS, names []string, labels, classes int, classNames []string) (*Set, error) {
	const image = 3 * 32 * 32
	record := labels + image
	s := &Set{C: 3, H: 32, W: 32, Classes: classes, Names: classNames}
	for _, name := range names {
		b, err := files.ReadFS(dir, name, maxCIFAR)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 || len(b)%record != 0 {
			return nil, fmt.Errorf("%s holds %d bytes (want a multiple of %d, the size of an image with its label)", name, len(b), record)
		}
		n := len(b) / record
		s.Labels, s.Pixels = slices.Grow(s.Labels, n), slices.Grow(s.Pixels, n*image)
		for ; len(b) > 0; b = b[record:] {
			s.Labels = append(s.Labels, int32(b[labels-1]))
			s.Pixels = append(s.Pixels, b[labels:record]...)
		}
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(names, ", "), err)
	}
	return s, nil
}

// cifarNames reads the names of n classes. It returns nil if the file is missing or
// broken: training needs no names.
func cifarNames(dir fs.FS, file string, n int) []string {
	b, err := files.ReadFS(dir, file, 1<<16)
	if err != nil {
		return nil
	}
	names := strings.Fields(string(b))
	if len(names) != n {
		return nil
	}
	return names
}

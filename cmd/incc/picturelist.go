package main

import (
	"fmt"
	"strings"
)

// withPath is an error that names the file that it is about.
func withPath(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

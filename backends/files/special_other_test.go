//go:build !unix

package files

import "testing"

func specials(*testing.T, string) map[string]string { return map[string]string{} }

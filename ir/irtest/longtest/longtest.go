// Package longtest says how much work the tests do. Every test that has a short and a long
// form calls it, so that the environment variable INCC_LONG means the same in all packages:
//
//	INCC_LONG      go test ./... on two cores
//	unset, empty   less than six minutes: every kind of check, on a part of the cases
//	1              about a quarter of an hour: all networks, more random cases; .ci/run does it
//	all            many hours: all random cases; give -timeout=0
package longtest

import (
	"fmt"
	"os"
)

type level int

const (
	short level = iota
	long
	all
)

var asked = func() level {
	switch v := os.Getenv("INCC_LONG"); v {
	case "":
		return short
	case "1":
		return long
	case "all":
		return all
	default:
		panic(fmt.Sprintf("unknown INCC_LONG=%q (want 1 or all)", v))
	}
}()

// Enabled reports whether INCC_LONG asks for the long form (1) or the longest form (all).
func Enabled() bool { return asked >= long }

// All reports whether INCC_LONG asks for the longest form (all).
func All() bool { return asked == all }

// Count returns the number of cases that a test runs: n, longer with INCC_LONG=1, or
// longest with INCC_LONG=all.
func Count(n, longer, longest int) int {
	return []int{n, longer, longest}[asked]
}
